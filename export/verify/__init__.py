"""Does the artifact answer as the checkpoint does?"""
