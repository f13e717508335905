/**
 * The kernels, in AssemblyScript: `npm run build:kernels` compiles them. `reference.ts` says what they compute.
 *
 * Loops count what is left, rather than compare addresses, which wrap at the end of 4 GiB. An element's value never
 * depends on whether a lane or the scalar end of a loop computed it.
 */

const lanes: u32 = 4;
const bytes: usize = 4;

/**
 * `adam` of reference.ts. The corrections of both moments are one factor of √v, `rootScale` = (1 - β₁ᵗ) / √(1 - β₂ᵗ), and
 * part of `epsilon`; moments move by differences, since 1 - β has more digits in float32 than β.
 */
export function adam(
  parameter: usize,
  gradient: usize,
  firstMoment: usize,
  secondMoment: usize,
  target: usize,
  count: u32,
  gradientScale: f32,
  oneMinusBeta1: f32,
  oneMinusBeta2: f32,
  rootScale: f32,
  epsilon: f32,
  weightDecay: f32,
  keep: f32,
  scale: f32,
): void {
  const gradientScales = f32x4.splat(gradientScale);
  const oneMinusBeta1s = f32x4.splat(oneMinusBeta1);
  const oneMinusBeta2s = f32x4.splat(oneMinusBeta2);
  const rootScales = f32x4.splat(rootScale);
  const epsilons = f32x4.splat(epsilon);
  const weightDecays = f32x4.splat(weightDecay);
  const keeps = f32x4.splat(keep);
  const scales = f32x4.splat(scale);

  while (count >= lanes) {
    const p = v128.load(parameter);
    const g = f32x4.mul(v128.load(gradient), gradientScales);
    let m = v128.load(firstMoment);
    let v = v128.load(secondMoment);
    m = f32x4.add(m, f32x4.mul(oneMinusBeta1s, f32x4.sub(g, m)));
    v = f32x4.add(v, f32x4.mul(oneMinusBeta2s, f32x4.sub(f32x4.mul(g, g), v)));
    v128.store(firstMoment, m);
    v128.store(secondMoment, v);
    const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(v), rootScales), epsilons);
    const direction = f32x4.add(f32x4.div(m, denominator), f32x4.mul(weightDecays, p));
    v128.store(target, f32x4.add(f32x4.mul(keeps, p), f32x4.mul(scales, direction)));
    parameter += lanes * bytes;
    gradient += lanes * bytes;
    firstMoment += lanes * bytes;
    secondMoment += lanes * bytes;
    target += lanes * bytes;
    count -= lanes;
  }

  while (count > 0) {
    const p = load<f32>(parameter);
    const g = load<f32>(gradient) * gradientScale;
    let m = load<f32>(firstMoment);
    let v = load<f32>(secondMoment);
    m = m + oneMinusBeta1 * (g - m);
    v = v + oneMinusBeta2 * (g * g - v);
    store<f32>(firstMoment, m);
    store<f32>(secondMoment, v);
    const direction = m / (sqrt<f32>(v) * rootScale + epsilon) + weightDecay * p;
    store<f32>(target, keep * p + scale * direction);
    parameter += bytes;
    gradient += bytes;
    firstMoment += bytes;
    secondMoment += bytes;
    target += bytes;
    count--;
  }
}

/** y ← a · y + b · x */
export function linearCombination(a: f32, y: usize, b: f32, x: usize, count: u32): void {
  const as = f32x4.splat(a);
  const bs = f32x4.splat(b);
  while (count >= lanes) {
    v128.store(y, f32x4.add(f32x4.mul(v128.load(y), as), f32x4.mul(v128.load(x), bs)));
    y += lanes * bytes;
    x += lanes * bytes;
    count -= lanes;
  }
  while (count > 0) {
    store<f32>(y, load<f32>(y) * a + load<f32>(x) * b);
    y += bytes;
    x += bytes;
    count--;
  }
}

/** Σx², in float64, in eight partial sums by the element's index. */
export function sumOfSquares(address: usize, count: u32): f64 {
  let sum01 = f64x2.splat(0);
  let sum23 = f64x2.splat(0);
  let sum45 = f64x2.splat(0);
  let sum67 = f64x2.splat(0);

  while (count >= 2 * lanes) {
    const x01 = f64x2.promote_low_f32x4(v128.load64_zero(address));
    const x23 = f64x2.promote_low_f32x4(v128.load64_zero(address, 8));
    const x45 = f64x2.promote_low_f32x4(v128.load64_zero(address, 16));
    const x67 = f64x2.promote_low_f32x4(v128.load64_zero(address, 24));
    sum01 = f64x2.add(sum01, f64x2.mul(x01, x01));
    sum23 = f64x2.add(sum23, f64x2.mul(x23, x23));
    sum45 = f64x2.add(sum45, f64x2.mul(x45, x45));
    sum67 = f64x2.add(sum67, f64x2.mul(x67, x67));
    address += 2 * lanes * bytes;
    count -= 2 * lanes;
  }

  const sums = f64x2.add(f64x2.add(sum01, sum23), f64x2.add(sum45, sum67));
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  while (count > 0) {
    const x = <f64>load<f32>(address);
    sum += x * x;
    address += bytes;
    count--;
  }
  return sum;
}

/** Element o · run + i is 0 where the random bits at o · stride + start + i are below the threshold, else `kept`. */
export function dropoutMask(
  address: usize,
  outer: u32,
  run: u32,
  stride: u32,
  start: u32,
  key0: u32,
  key1: u32,
  threshold: u32,
  kept: f32,
): void {
  const key0s = i32x4.splat(key0);
  const key1s = i32x4.splat(key1);
  const thresholds = i32x4.splat(threshold);
  const kepts = f32x4.splat(kept);
  const lanesAhead = i32x4.splat(lanes);

  while (outer > 0) {
    let left = run;
    let indices = i32x4.add(i32x4.splat(start), i32x4(0, 1, 2, 3));
    // two vectors at a time: one multiplies while the other waits
    while (left >= 2 * lanes) {
      const next = i32x4.add(indices, lanesAhead);
      const bits = mixLanes(i32x4.add(mixLanes(v128.xor(indices, key0s)), key1s));
      const nextBits = mixLanes(i32x4.add(mixLanes(v128.xor(next, key0s)), key1s));
      v128.store(address, v128.and(kepts, i32x4.ge_u(bits, thresholds)));
      v128.store(address, v128.and(kepts, i32x4.ge_u(nextBits, thresholds)), 16);
      indices = i32x4.add(next, lanesAhead);
      address += 2 * lanes * bytes;
      left -= 2 * lanes;
    }
    while (left > 0) {
      const bits = mix(mix((start + run - left) ^ key0) + key1);
      store<f32>(address, bits < threshold ? 0 : kept);
      address += bytes;
      left--;
    }
    start += stride;
    outer--;
  }
}

/** As `mix` of random.ts. */
function mix(x: u32): u32 {
  x = (x ^ (x >> 16)) * 0x21f0aaad;
  x = (x ^ (x >> 15)) * 0xd35a2d97;
  return x ^ (x >> 15);
}

function mixLanes(x: v128): v128 {
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(0x21f0aaad));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 15)), i32x4.splat(0xd35a2d97));
  return v128.xor(x, i32x4.shr_u(x, 15));
}
