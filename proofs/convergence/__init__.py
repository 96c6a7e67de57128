"""Late values, edits and deletions in PI's archive, and how soon and how completely silver follows."""
