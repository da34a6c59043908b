"use strict";
// What the operations of an exported decoder compute. Each kind is a function of the operation and of the shapes of
// its inputs; it returns a function from the inputs' numbers, Float32Arrays, to those of the result, and does before
// what depends on shapes alone.
const LatentOperations = (() => {
  const { count, matmul } = LatentProducts;
  const { convolution, transposedConvolution } = LatentConvolution;

  // Where in an array of this shape neighbors along each axis lie apart; 0 along axes that are repeated.
  function strides(shape) {
    const apart = new Array(shape.length).fill(1);
    for (let axis = shape.length - 2; axis >= 0; axis--) apart[axis] = apart[axis + 1] * shape[axis + 1];
    return apart.map((gap, axis) => (shape[axis] === 1 ? 0 : gap));
  }

  // The places that an array of this shape is read from, `gaps` apart along each axis.
  function places(shape, gaps, first = 0) {
    const found = new Int32Array(count(shape));
    const at = new Array(shape.length).fill(0);
    let place = first;
    for (let number = 0; number < found.length; number++) {
      found[number] = place;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        place += gaps[axis];
        if (++at[axis] < shape[axis]) break;
        place -= gaps[axis] * shape[axis];
        at[axis] = 0;
      }
    }
    return found;
  }

  function repeated(from, to) {
    const padded = [...new Array(to.length - from.length).fill(1), ...from];
    return places(to, strides(padded));
  }

  function gathered(from) {
    return (input) => {
      const result = new Float32Array(from.length);
      for (let place = 0; place < from.length; place++) result[place] = input[from[place]];
      return result;
    };
  }

  // Mean 0 and variance 1 in each of `rows` equal parts.
  function normalize({ rows, eps }, [shape]) {
    const length = count(shape) / rows;
    return (input) => {
      const result = new Float32Array(input.length);
      for (let start = 0; start < input.length; start += length) {
        let [sum, squares] = [0, 0];
        for (let place = start; place < start + length; place++) sum += input[place];
        const mean = sum / length;
        for (let place = start; place < start + length; place++) squares += (input[place] - mean) ** 2;
        const scale = 1 / Math.sqrt(squares / length + eps);
        for (let place = start; place < start + length; place++) result[place] = (input[place] - mean) * scale;
      }
      return result;
    };
  }

  function upsample({ mode, ratios, shape }, [image]) {
    const rows = source(mode, ratios[0], image[2], shape[2]);
    const columns = source(mode, ratios[1], image[3], shape[3]);
    return (input) => {
      const result = new Float32Array(count(shape));
      let out = 0;
      for (let channel = 0; channel < shape[1]; channel++) {
        for (const [top, bottom, down] of rows) {
          const [above, below] = [(channel * image[2] + top) * image[3], (channel * image[2] + bottom) * image[3]];
          for (const [left, right, across] of columns) {
            const upper = input[above + left] * (1 - across) + input[above + right] * across;
            const lower = input[below + left] * (1 - across) + input[below + right] * across;
            result[out++] = upper * (1 - down) + lower * down;
          }
        }
      }
      return result;
    };
  }

  // For each new pixel along a side the two old ones that it lies between, and the share of the second.
  function source(mode, ratio, before, after) {
    return Array.from({ length: after }, (_, place) => {
      const exact = mode === "linear" ? Math.max(0, (place + 0.5) * ratio - 0.5) : place * ratio;
      const low = Math.min(Math.floor(exact), before - 1);
      return [low, Math.min(low + 1, before - 1), mode === "nearest" ? 0 : exact - low];
    });
  }

  function concatenate({ axis, shape }, inputs) {
    const after = count(shape.slice(axis + 1));
    const whole = shape[axis] * after;
    return (...parts) => {
      const result = new Float32Array(count(shape));
      let start = 0;
      parts.forEach((part, number) => {
        const length = inputs[number][axis] * after;
        for (let row = 0; row * length < part.length; row++) {
          result.set(part.subarray(row * length, (row + 1) * length), row * whole + start);
        }
        start += length;
      });
      return result;
    };
  }

  function pad({ before, fill, shape }, [inner]) {
    const apart = strides(shape);
    const first = before.reduce((sum, size, axis) => sum + size * apart[axis], 0);
    const to = places(inner, apart, first);
    return (input) => {
      const result = new Float32Array(count(shape)).fill(fill);
      to.forEach((place, number) => (result[place] = input[number]));
      return result;
    };
  }

  function slice({ axis, start, step, shape }, [whole]) {
    const apart = strides(whole);
    return gathered(places(shape, apart.map((gap, each) => (each === axis ? gap * step : gap)), start * apart[axis]));
  }

  function permute({ axes, shape }, [before]) {
    const apart = strides(before);
    return gathered(places(shape, axes.map((axis) => apart[axis])));
  }

  function combined(combine) {
    return ({ shape }, [left, right]) => {
      const [first, second] = [repeated(left, shape), repeated(right, shape)];
      return (one, other) => {
        const result = new Float32Array(first.length);
        for (let place = 0; place < result.length; place++) {
          result[place] = combine(one[first[place]], other[second[place]]);
        }
        return result;
      };
    };
  }

  function each(make) {
    return (operation) => {
      const compute = make(operation);
      return (input) => input.map((value) => compute(value));
    };
  }

  // Abramowitz and Stegun 1964, formula 7.1.26: within 1.5e-7.
  function erf(value) {
    const t = 1 / (1 + 0.3275911 * Math.abs(value));
    const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return Math.sign(value) * (1 - sum * Math.exp(-value * value));
  }

  const sigmoid = (value) => 1 / (1 + Math.exp(-value));

  function relu() {
    return (input) => {
      const result = new Float32Array(input.length);
      for (let place = 0; place < input.length; place++) if (input[place] > 0) result[place] = input[place];
      return result;
    };
  }

  const KINDS = {
    matmul,
    convolution,
    transposed_convolution: transposedConvolution,
    normalize,
    upsample,
    concatenate,
    pad,
    slice,
    permute,
    reshape: () => (input) => input,
    expand: ({ shape }, [before]) => gathered(repeated(before, shape)),
    add: combined((one, other) => one + other),
    subtract: combined((one, other) => one - other),
    multiply: combined((one, other) => one * other),
    divide: combined((one, other) => one / other),
    maximum: combined(Math.max),
    minimum: combined(Math.min),
    relu,
    leaky_relu: each(({ slope }) => (x) => (x > 0 ? x : slope * x)),
    elu: each((s) => (x) => s.scale * (x > 0 ? x : s.alpha * Math.expm1(x * s.input_scale))),
    silu: each(() => (x) => x * sigmoid(x)),
    gelu: each(() => (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))),
    gelu_tanh: each(() => (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
    tanh: each(() => Math.tanh),
    sigmoid: each(() => sigmoid),
    softplus: each((s) => (x) => (x * s.beta > s.threshold ? x : Math.log1p(Math.exp(x * s.beta)) / s.beta)),
    clamp: each(({ min = -Infinity, max = Infinity }) => (x) => Math.min(Math.max(x, min), max)),
    exp: each(() => Math.exp),
    sin: each(() => Math.sin),
    cos: each(() => Math.cos),
    abs: each(() => Math.abs),
    negative: each(() => (x) => -x),
    sqrt: each(() => Math.sqrt),
  };

  return { KINDS, count };
})();
