from tests._support.virtual_time import clock

__all__ = ["clock"]
