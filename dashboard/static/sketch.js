// A square to draw in: white on black, as the digits of the datasets are.
const SIDE = 280;
const PEN = 24;
const MARGIN = 0.1; // of the side, around what was drawn

export default {
  template: `
    <div>
      <canvas ref="canvas" class="sketch" width="280" height="280" role="img"
        aria-label="Square to draw a digit in"
        @pointerdown="begin" @pointermove="draw" @pointerup="end" @pointercancel="end"></canvas>
      <div class="line" style="margin-top: .5rem">
        <q-btn unelevated no-caps color="primary" label="Predict" :disable="!drawn" @click="send" />
        <q-btn flat no-caps color="primary" label="Clear" :disable="!drawn" @click="clear" />
      </div>
    </div>`,
  data() {
    return { drawn: false };
  },
  mounted() {
    this.clear();
  },
  methods: {
    context() {
      return this.$refs.canvas.getContext("2d", { willReadFrequently: true });
    },
    clear() {
      const context = this.context();
      context.fillStyle = "#000";
      context.fillRect(0, 0, SIDE, SIDE);
      this.drawn = false;
      this.last = null;
    },
    at(event) {
      const box = this.$refs.canvas.getBoundingClientRect();
      return [
        ((event.clientX - box.left) * SIDE) / box.width,
        ((event.clientY - box.top) * SIDE) / box.height,
      ];
    },
    begin(event) {
      this.$refs.canvas.setPointerCapture(event.pointerId);
      this.last = this.at(event);
      this.draw(event);
    },
    draw(event) {
      if (!this.last) return;
      const context = this.context();
      const next = this.at(event);
      context.strokeStyle = "#fff";
      context.lineWidth = PEN;
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      context.moveTo(...this.last);
      context.lineTo(...next);
      context.stroke();
      this.last = next;
      this.drawn = true;
    },
    end() {
      this.last = null;
    },
    // What was drawn fills the picture, because so do the digits that models are trained on.
    send() {
      const [left, top, width, height] = this.bounds();
      const scale = (SIDE * (1 - 2 * MARGIN)) / Math.max(width, height);
      const picture = document.createElement("canvas");
      picture.width = picture.height = SIDE;
      const context = picture.getContext("2d");
      context.fillRect(0, 0, SIDE, SIDE);
      context.drawImage(
        this.$refs.canvas, left, top, width, height,
        (SIDE - width * scale) / 2, (SIDE - height * scale) / 2, width * scale, height * scale,
      );
      this.$emit("drawn", picture.toDataURL("image/png"));
    },
    bounds() {
      const pixels = this.context().getImageData(0, 0, SIDE, SIDE).data;
      let [left, top, right, bottom] = [SIDE, SIDE, 0, 0];
      for (let y = 0; y < SIDE; y++) {
        for (let x = 0; x < SIDE; x++) {
          if (pixels[4 * (y * SIDE + x)] < 32) continue;
          left = Math.min(left, x);
          right = Math.max(right, x);
          top = Math.min(top, y);
          bottom = Math.max(bottom, y);
        }
      }
      return [left, top, right - left + 1, bottom - top + 1];
    },
  },
};
