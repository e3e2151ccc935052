"""Other models of the same maps, to compare with: all under `protocol.MapModel`."""
