"""Does the model rely on what the map marks?"""
