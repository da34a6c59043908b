"use strict";
// Products of matrices, which take most of the time of a decoder.
const LatentProducts = (() => {
  const count = (shape) => shape.reduce((product, size) => product * size, 1);

  const TURNED = new WeakMap(); // matrix -> its transpose: weights are turned once

  function turned(matrix, rows, columns) {
    if (!TURNED.has(matrix)) {
      const result = new Float32Array(matrix.length);
      matrix.forEach((value, place) => (result[(place % columns) * rows + Math.floor(place / columns)] = value));
      TURNED.set(matrix, result);
    }
    return TURNED.get(matrix);
  }

  // Write `rows` x `wide` products of the rows of `left` and of `right`, both `inner` long. Four rows are taken
  // together, which needs fewer reads; where all four are 0, as relu leaves many, they are passed over.
  function multiply(result, left, rows, inner, right, wide) {
    const chosen = new Int32Array(inner);
    const packed = new Float32Array(4 * inner);
    for (let row = 0; row < rows; row += 4) {
      const block = Math.min(4, rows - row);
      const found = pack(packed, chosen, left, row * inner, block, inner);
      for (let at = 0; at < wide; at += 2) {
        const one = at * inner;
        const other = Math.min(at + 1, wide - 1) * inner;
        let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
        for (let place = 0, four = 0; place < found; place++, four += 4) {
          const u = right[one + chosen[place]];
          const v = right[other + chosen[place]];
          const p = packed[four];
          const q = packed[four + 1];
          const r = packed[four + 2];
          const s = packed[four + 3];
          a += u * p; b += u * q; c += u * r; d += u * s;
          e += v * p; f += v * q; g += v * r; h += v * s;
        }
        const out = row * wide + at;
        put(result, out, wide, block, a, b, c, d);
        if (at + 1 < wide) put(result, out + 1, wide, block, e, f, g, h);
      }
    }
  }

  function pack(packed, chosen, left, start, block, inner) {
    let found = 0;
    for (let place = 0; place < inner; place++) {
      const from = start + place;
      const p = left[from];
      const q = block > 1 ? left[from + inner] : 0;
      const r = block > 2 ? left[from + 2 * inner] : 0;
      const s = block > 3 ? left[from + 3 * inner] : 0;
      if (p === 0 && q === 0 && r === 0 && s === 0) continue;
      packed[4 * found] = p;
      packed[4 * found + 1] = q;
      packed[4 * found + 2] = r;
      packed[4 * found + 3] = s;
      chosen[found++] = place;
    }
    return found;
  }

  function put(result, at, wide, block, a, b, c, d) {
    result[at] = a;
    if (block > 1) result[at + wide] = b;
    if (block > 2) result[at + 2 * wide] = c;
    if (block > 3) result[at + 3 * wide] = d;
  }

  function matmul(operation, [left, right]) {
    const wide = right[right.length - 1];
    const inner = right[right.length - 2];
    const rows = count(left) / inner;
    return (input, matrix, bias) => {
      const result = new Float32Array(rows * wide);
      multiply(result, input, rows, inner, turned(matrix, inner, wide), wide);
      if (bias) for (let place = 0; place < result.length; place++) result[place] += bias[place % wide];
      return result;
    };
  }

  return { count, turned, multiply, matmul };
})();
