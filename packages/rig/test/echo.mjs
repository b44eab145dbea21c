// A child of processes.int.test.ts; it runs from dist.
//   echo: says the text again, under its own name.   fail: what nobody caught.   deaf: does not end when it is told to.
import { serveParent } from "@seriatim/rig";

/** @typedef {{ type: "echo", text: string } | { type: "fail" | "deaf" }} Order */
serveParent(async (/** @type {{ greeting: string }} */ { greeting }) => {
  let isDeaf = false;
  return {
    ready: { greeting },
    obey(/** @type {Order} */ order) {
      if (order.type === "echo") return { text: order.text };
      if (order.type === "fail") throw new RangeError("too far");
      isDeaf = true;
      return {};
    },
    end: () => (isDeaf ? new Promise(() => {}) : Promise.resolve()),
  };
});
