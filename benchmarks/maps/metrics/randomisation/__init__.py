"""Does the map change when the model or the class does?"""
