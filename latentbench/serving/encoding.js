"use strict";
// An image of the reader: what a model makes of it, the test items that are near, its place among all.
{
  const { element, arrays, colors, View } = latentbench;
  const { paint } = LatentFrames;
  const { reach } = LatentMixing;
  const FAR = "Its code lies farther from the mean than 99 % of the test codes: the model has not learned such codes.";
  const OWN = [128, 128, 128]; // the color of a dot that has no class
  const MOST_BYTES = 20_000_000; // that the server reads

  function floats(text) {
    return new Float32Array(arrays.bytes(text).buffer);
  }

  function figure(name, pixels, shape, words) {
    const canvas = element("canvas", { role: "img", ariaLabel: words });
    paint(canvas, pixels, shape);
    return element("figure", { data: { picture: name } }, canvas, element("figcaption", {}, words));
  }

  /** Show the picture as the model saw it, and its reconstruction. */
  function showPictures(box, { shape, picture, reconstruction, mse }) {
    const seen = figure("given", floats(picture), shape, "your image, as the model sees it");
    if (!reconstruction) return box.replaceChildren(seen, element("p", {}, "The model has no decoder, so there is no reconstruction."));
    box.replaceChildren(seen, figure("reconstruction", floats(reconstruction), shape, `its reconstruction, mse ${mse.toPrecision(3)}`));
  }

  function showNearest(box, { shape, names, distances, pictures }) {
    box.replaceChildren(...pictures.map((picture, place) => figure("near", floats(picture), shape, `${names[place]}, ${distances[place].toPrecision(3)} away`)));
  }

  /** A map of the test items by PCA, on which one more place stands out. */
  class PlaceMap {
    constructor(box) {
      this.view = new View("");
      box.append(this.view.canvas);
      latentbench.attachGestures(this.view, () => false);
    }

    show(model, classes, [x, y]) {
      const items = arrays.places(model);
      const count = items.length / 2;
      const { table, of, shapes } = colors.byClass(classes && { ...classes, of: arrays.numbers(classes.of) }, count);
      this.view.coloring = { table: [...table, OWN], shapes, of: Uint16Array.of(...of, table.length) };
      this.view.marks = classes?.colors.length ? { ...classes, of } : null;
      this.view.rings = [{ item: count, strong: true }];
      this.view.label(`PCA map of ${count} test items; a ring shows where your image lies.`);
      this.view.show(Float32Array.of(...items, x, y));
    }
  }

  class Encoding {
    constructor(root) {
      this.part = (name) => root.querySelector(`[data-part="${name}"]`);
      const { models, classes } = JSON.parse(document.getElementById(root.dataset.encoding).textContent);
      Object.assign(this, { root, models, classes, asked: 0 });
      models.forEach(({ label }, value) => this.part("model").append(element("option", { value }, label)));
      this.map = new PlaceMap(this.part("map"));
      for (const name of ["model", "file", "invert"]) this.part(name).addEventListener("change", () => this.encode());
      this.part("use").addEventListener("click", () => this.use());
    }

    async encode() {
      const [file] = this.part("file").files;
      const model = this.models[this.part("model").value];
      const asked = ++this.asked;
      this.part("made").hidden = true;
      if (!file) return this.say("");
      if (file.size > MOST_BYTES) return this.say(`The file has ${(file.size / 1e6).toFixed(0)} MB, and at most ${MOST_BYTES / 1e6} are read; make the image smaller.`);
      this.say("Encoding ...");
      try {
        const made = await LatentServer.encode(model.served, file, this.part("invert").checked);
        if (asked === this.asked) this.show(model, made);
      } catch (error) {
        if (asked === this.asked) this.say(`The image was not encoded: ${error.message}.`);
      }
    }

    studio() {
      return (latentbench.studios ?? []).find(({ root }) => root.dataset.source === this.root.dataset.decoders);
    }

    /** Numbers of the studio's models that encode, the chosen one first. */
    ways() {
      const studio = this.studio();
      const chosen = this.models[this.part("model").value].served;
      const encode = (studio?.working ?? []).filter((number) => studio.opened[number].encoder !== undefined);
      return encode.sort((one, other) => (studio.opened[other].encoder === chosen) - (studio.opened[one].encoder === chosen));
    }

    /** Make the image A of the part that decodes, by its code of each model there. */
    async use() {
      const [studio, [file], asked] = [this.studio(), this.part("file").files, this.asked];
      const codes = new Map();
      let [pixels, failed] = [null, null];
      for (const number of this.ways()) {
        try {
          const { code, picture } = await LatentServer.encode(studio.opened[number].encoder, file, this.part("invert").checked);
          codes.set(number, Float32Array.from(code));
          pixels = floats(picture);
        } catch (error) {
          failed = error; // other models may encode it; this one is then told to have no code of it
        }
      }
      if (asked !== this.asked) return;
      if (!pixels) return this.say(`The image was not encoded: ${failed.message}.`);
      studio.give("your image", pixels, codes, codes.keys().next().value);
      this.part("used").textContent = "It is A now, above: walk from it, change it, mix it.";
      studio.part("items").closest("fieldset").scrollIntoView();
    }

    say(words) {
      this.part("said").textContent = words;
    }

    show(model, made) {
      const far = reach(made.code, floats(model.mean), floats(model.spread)) > model.far;
      this.say(`${made.words}${far ? ` ${FAR}` : ""}`);
      this.part("made").hidden = false;
      this.part("used").textContent = "";
      this.part("use").hidden = !this.ways().length;
      showPictures(this.part("pictures"), made);
      showNearest(this.part("nearest"), made);
      this.part("code").value = made.code.join(", ");
      this.map.show(model, this.classes, made.place);
    }
  }

  latentbench.part("Encoding", () => {
    for (const root of document.querySelectorAll(".encoding[data-encoding]")) new Encoding(root);
  });
}
