"use strict";
// Codes from codes: paths, means, directions, and the shares of the corners of a polygon in a point.
const LatentMixing = (() => {
  const PARALLEL = 1 - 1e-7; // cosine above which an arc is a straight line
  const NEAR = 0.04; // of the radius: a point this near to a corner is the corner

  const dot = (one, other) => one.reduce((sum, value, place) => sum + value * other[place], 0);
  const length = (code) => Math.sqrt(dot(code, code));

  function mean(codes, shares) {
    return Float32Array.from(codes[0], (_, place) => codes.reduce((sum, code, at) => sum + shares[at] * code[place], 0));
  }

  const linear = (start, end, share) => mean([start, end], [1 - share, share]);

  // On the sphere about the origin (White 2016, "Sampling Generative Networks"); straight where codes are parallel.
  function spherical(start, end, share) {
    const lengths = length(start) * length(end);
    const cosine = lengths > 0 ? dot(start, end) / lengths : 1;
    if (Math.abs(cosine) > PARALLEL) return linear(start, end, share);
    const angle = Math.acos(cosine);
    return mean([start, end], [Math.sin((1 - share) * angle), Math.sin(share * angle)].map((part) => part / Math.sin(angle)));
  }

  // A code on the way through several codes, the same share of the way between each two.
  function along(codes, share) {
    const exact = share * (codes.length - 1);
    const start = Math.min(Math.floor(exact), codes.length - 2);
    return exact === start ? codes[start] : linear(codes[start], codes[start + 1], exact - start);
  }

  const moved = (code, direction, strength) => code.map((value, place) => value + strength * direction[place]);

  // How far a code lies from the mean of the codes, in standard deviations, over all dimensions.
  function reach(code, center, spread) {
    const squares = code.map((value, place) => ((value - center[place]) / spread[place]) ** 2);
    return Math.sqrt(squares.reduce((sum, value) => sum + value, 0) / code.length);
  }

  // The corners of a regular polygon of radius 1, the first at the top, as [x, y] with y downwards.
  function polygon(corners) {
    return Array.from({ length: corners }, (_, corner) => {
      const angle = (2 * Math.PI * corner) / corners - Math.PI / 2;
      return [Math.cos(angle), Math.sin(angle)];
    });
  }

  // The nearest point on the way to the middle that lies inside a regular polygon of this many corners.
  function inside([x, y], corners) {
    const half = Math.PI / corners;
    const angle = Math.atan2(y, x) + Math.PI / 2;
    const within = angle - 2 * half * Math.floor(angle / (2 * half)) - half;
    const most = (0.9999 * Math.cos(half)) / Math.cos(within);
    const far = Math.hypot(x, y);
    return far > most ? [(x * most) / far, (y * most) / far] : [x, y];
  }

  // Mean value coordinates (Floater 2003) of a point inside a regular polygon: shares of its corners, of sum 1.
  function shares(point, count) {
    const corners = polygon(count);
    const inner = inside(point, count);
    const toCorners = corners.map(([x, y]) => [x - inner[0], y - inner[1]]);
    const reached = toCorners.findIndex(([x, y]) => Math.hypot(x, y) < NEAR);
    if (reached >= 0) return corners.map((_, corner) => (corner === reached ? 1 : 0));
    const halves = toCorners.map(([x, y], corner) => {
      const [p, q] = toCorners[(corner + 1) % count];
      return Math.tan(Math.atan2(x * q - y * p, x * p + y * q) / 2);
    });
    const weights = toCorners.map(([x, y], corner) => (halves[(corner + count - 1) % count] + halves[corner]) / Math.hypot(x, y));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  }

  return { mean, linear, along, spherical, moved, reach, polygon, inside, shares };
})();
