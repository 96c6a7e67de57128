"""A strict PI Web API for development, demonstration and tests. Needs aiohttp and msgspec, and nothing else of this project."""
