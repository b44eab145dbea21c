/** Objects and arrays inside each other, at most: deeper than any body, shallow enough for every stack. */
const DEPTH_MAX = 256;
/**
 * Extensions that a body may hold: undefined (0), bigint (0x42), date (0xff), typed arrays (0x74), and, with the value
 * that follows them, Set, Error and RegExp.
 */
const DATA_EXTENSIONS: ReadonlySet<number> = new Set([0x00, 0x42, 0x74, 0xff]);
const VALUE_EXTENSIONS: ReadonlySet<number> = new Set([0x73, 0x65, 0x78]);

/**
 * Walks msgpack bytes without building anything, and says what is wrong with them, or `null`. What passes can be
 * decoded with work and memory in proportion to its length: every announced length is there, nesting is bounded, and
 * the extensions that would carry state between bodies are refused.
 */
export function msgpackFault(bytes: Uint8Array): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length;
  /** Values still to come, at each depth. */
  const left: number[] = [1];
  let at = 0;
  while (left.length > 0) {
    const depth = left.length - 1;
    if (left[depth] === 0) {
      left.pop();
      continue;
    }
    left[depth]!--;
    if (at >= end) return `the end at byte ${at} where a value is due`;
    const token = bytes[at++]!;
    let skip = 0;
    let children = 0;
    if (token <= 0x7f || token >= 0xe0) continue;
    else if (token <= 0x8f) children = 2 * (token & 0x0f);
    else if (token <= 0x9f) children = token & 0x0f;
    else if (token <= 0xbf) skip = token & 0x1f;
    else {
      const width = LENGTH_BYTES[token - 0xc0]!;
      if (width < 0) return `the unused token 0xc1 at byte ${at - 1}`;
      if (at + width > end) return `the end at byte ${end} inside a length`;
      const length = width === 0 ? 0 : width === 1 ? bytes[at]! : width === 2 ? view.getUint16(at) : view.getUint32(at);
      at += width;
      if (token >= 0xdc && token <= 0xdd) children = length;
      else if (token >= 0xde) children = 2 * length;
      else if ((token >= 0xc7 && token <= 0xc9) || (token >= 0xd4 && token <= 0xd8)) {
        const kind = bytes[at++];
        if (kind === undefined) return `the end at byte ${end} inside an extension`;
        if (VALUE_EXTENSIONS.has(kind)) left[depth]!++;
        else if (!DATA_EXTENSIONS.has(kind)) return `the extension 0x${kind.toString(16)} at byte ${at - 1}`;
        skip = token <= 0xc9 ? length : 1 << (token - 0xd4);
      } else skip = token <= 0xc6 || token >= 0xd9 ? length : FIXED_BYTES[token - 0xca]!;
    }
    if (children > end - at || skip > end - at)
      return `a length of ${children > 0 ? children : skip} at byte ${at} with ${end - at} bytes left`;
    at += skip;
    if (children > 0) {
      if (left.length > DEPTH_MAX) return `more than ${DEPTH_MAX} levels`;
      left.push(children);
    }
  }
  return at === end ? null : `${end - at} bytes after the value`;
}
// tokens 0xc0 … 0xdf: nil, unused, false, true, bin 8 16 32, ext 8 16 32, float 32 64, uint 8 … 64, int 8 … 64, fixext
// 1 … 16, str 8 16 32, array 16 32, map 16 32
const LENGTH_BYTES: readonly number[] = [
  0, -1, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4,
];
const FIXED_BYTES: readonly number[] = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8];
