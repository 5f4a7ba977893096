"""Old portals that are folders of files."""
