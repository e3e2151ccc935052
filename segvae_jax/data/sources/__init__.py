"""Where maps come from: published data sets, a folder of the user, and the cartoon set."""
