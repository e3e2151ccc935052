"""The web page: what a user has done (`session`), what is shown of it (`views`), and its layout (`page`)."""
