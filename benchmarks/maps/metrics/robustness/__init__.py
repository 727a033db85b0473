"""Does the map keep still when the image hardly changes?"""
