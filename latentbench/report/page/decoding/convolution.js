"use strict";
// Convolutions in two dimensions, by products of matrices.
const LatentConvolution = (() => {
  const { count, turned, multiply } = LatentProducts;

  // Which fine pixel a coarse one meets under each tap of a kernel, -1 for none: coarse * stride + tap * dilation.
  function meetings({ stride, padding, dilation }, coarse, fine, [, , high, wide]) {
    const met = new Int32Array(coarse[2] * coarse[3] * high * wide).fill(-1);
    met.forEach((_, place) => {
      const tap = place % (high * wide);
      const pixel = (place - tap) / (high * wide);
      const y = Math.floor(pixel / coarse[3]) * stride[0] + Math.floor(tap / wide) * dilation[0] - padding[0];
      const x = (pixel % coarse[3]) * stride[1] + (tap % wide) * dilation[1] - padding[1];
      if (y >= 0 && y < fine[2] && x >= 0 && x < fine[3]) met[place] = y * fine[3] + x;
    });
    return met;
  }

  // `work` computes one group of channels: it reads from `input` at `from` and adds to `result` at `to`.
  function inGroups(prepare) {
    return (operation, [image, kernel]) => {
      const { groups, shape } = operation;
      const [ins, outs] = [image[1] / groups, shape[1] / groups];
      const [inSize, outSize] = [image[2] * image[3], shape[2] * shape[3]];
      const work = prepare(operation, image, kernel, ins, outs);
      return (input, taps, bias) => {
        const result = new Float32Array(count(shape));
        if (bias) for (let made = 0; made < shape[1]; made++) result.fill(bias[made], made * outSize, (made + 1) * outSize);
        for (let group = 0; group < groups; group++) {
          const length = taps.length / groups;
          const own = groups === 1 ? taps : taps.subarray(group * length, (group + 1) * length);
          work(result.subarray(group * outs * outSize), input.subarray(group * ins * inSize), own);
        }
        return result;
      };
    };
  }

  // Each new pixel is the product of the kernels with the patch of old pixels under them.
  const convolution = inGroups((operation, image, kernel, ins, outs) => {
    const [pixels, old, taps] = [operation.shape[2] * operation.shape[3], image[2] * image[3], kernel[2] * kernel[3]];
    const met = meetings(operation, operation.shape, image, kernel);
    const patches = new Float32Array(pixels * ins * taps);
    const made = new Float32Array(pixels * outs);
    return (result, input, kernels) => {
      let place = 0;
      for (let pixel = 0; pixel < pixels; pixel++) {
        for (let channel = 0; channel < ins; channel++) {
          for (let tap = pixel * taps; tap < (pixel + 1) * taps; tap++) {
            patches[place++] = met[tap] < 0 ? 0 : input[channel * old + met[tap]];
          }
        }
      }
      multiply(made, patches, pixels, ins * taps, kernels, outs);
      for (let at = 0; at < made.length; at++) result[(at % outs) * pixels + Math.floor(at / outs)] += made[at];
    };
  });

  // Each old pixel times the kernels is added to the new pixels under them.
  const transposedConvolution = inGroups((operation, image, kernel, ins, outs) => {
    const [pixels, wide, taps] = [image[2] * image[3], operation.shape[2] * operation.shape[3], kernel[2] * kernel[3]];
    const met = meetings(operation, image, operation.shape, kernel);
    const made = new Float32Array(pixels * outs * taps);
    return (result, input, kernels) => {
      const rows = new Float32Array(pixels * ins);
      for (let place = 0; place < rows.length; place++) rows[(place % pixels) * ins + Math.floor(place / pixels)] = input[place];
      multiply(made, rows, pixels, ins, turned(kernels, ins, outs * taps), outs * taps);
      for (let pixel = 0, at = 0; pixel < pixels; pixel++) {
        for (let channel = 0; channel < outs; channel++) {
          for (let tap = pixel * taps; tap < (pixel + 1) * taps; tap++, at++) {
            if (met[tap] >= 0) result[channel * wide + met[tap]] += made[at];
          }
        }
      }
    };
  });

  return { convolution, transposedConvolution };
})();
