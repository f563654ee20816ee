"""From records to summaries: every number of a report that is over examples."""
