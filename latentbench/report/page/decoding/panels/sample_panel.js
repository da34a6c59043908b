"use strict";
// New codes, decoded side by side; the seed stands in the address.
const LatentSamplePanel = (() => {
  const SHOWN = 8;

  function samplePanel(studio) {
    const row = studio.part("samples");
    const frames = Array.from({ length: SHOWN }, (_, place) => LatentFrames.frame(studio, row, `sample${place}`));
    const [button, seed] = [studio.part("draw"), studio.part("seed")];
    button.addEventListener("click", () => studio.changed({ seed: studio.state.seed + 1 }));
    seed.addEventListener("change", () => studio.changed({ seed: Math.min(Math.max(Math.round(Number(seed.value)) || 0, 0), 1e9) }));
    return () => {
      const { model, state } = studio;
      seed.value = state.seed;
      const codes = LatentDraws.draws(model.sampler, model.program.dim, state.seed, SHOWN);
      codes.forEach((code, place) => frames[place](studio.picture(code), `sample ${place + 1}`));
      studio.say("samples-words", `Codes are drawn from ${model.sampler.words}.`, []);
    };
  }

  return { samplePanel };
})();
