"""Ways between codes: straight lines, arcs, geodesics, the neighbor graph, and means of several codes."""
