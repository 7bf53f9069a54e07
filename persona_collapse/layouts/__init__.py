"""Files of other people: how a study describes them, and how they are read as answers."""
