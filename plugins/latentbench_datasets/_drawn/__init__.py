"""What datasets that are drawn share: tables of factors, shapes, and the parts they are painted from."""
