"""The sections of a report in the order of a reader who has one minute: the verdict, the tables, what they rest on."""
