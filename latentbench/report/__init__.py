"""Tables, figures and the page, made from the results of a run."""
