"""A local web page: drop a video on it, watch its masks arrive, compare, download."""
