/** The protobuf wire format (https://protobuf.dev/programming-guides/encoding/): fields in a row, each a tag and a value. */

const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 };

const textEncoder = new TextEncoder();

export function message(...fields: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(fields.reduce((length, field) => length + field.length, 0));
  let offset = 0;
  for (const field of fields) {
    result.set(field, offset);
    offset += field.length;
  }
  return result;
}

export function integerField(field: number, value: number): Uint8Array {
  return message(tag(field, wireTypes.varint), varint(value));
}

export function bytesField(field: number, value: Uint8Array): Uint8Array {
  return message(tag(field, wireTypes.lengthDelimited), varint(value.length), value);
}

export function stringField(field: number, value: string): Uint8Array {
  return bytesField(field, textEncoder.encode(value));
}

export function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return message(tag(field, wireTypes.fixed32), bytes);
}

export function doubleField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return message(tag(field, wireTypes.fixed64), bytes);
}

function tag(field: number, wireType: number): Uint8Array {
  return varint(field * 8 + wireType);
}

/** Seven bits a byte, low ones first; negative numbers are their 64-bit two's complement. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
