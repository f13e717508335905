import { add, erf, exp, gelu, log, maximum, multiply, negate, subtract, tanh } from '../graph/functions.js';
import type { Value } from '../graph/value.js';

const sigmoid = (x: Value) => multiply(0.5, add(1, tanh(multiply(0.5, x))));
const relu = (x: Value) => maximum(x, 0);
const minimum = (x: Value, limit: number) => negate(maximum(negate(x), -limit));
const silu = (x: Value) => multiply(x, sigmoid(x));
/** log(1 + eˣ), for large x too. */
const softplus = (x: Value) => add(relu(x), log(add(1, exp(negate(maximum(x, negate(x)))))));

/** gelu's approximation by tanh: ½x(1 + tanh(√(2/π)(x + 0.044715x³))) */
function tanhGelu(x: Value): Value {
  const cubed = multiply(x, multiply(x, x));
  const inner = multiply(Math.sqrt(2 / Math.PI), add(x, multiply(0.044715, cubed)));
  return multiply(multiply(0.5, x), add(1, tanh(inner)));
}

/** A normal distribution function with mean √½ and deviation √(1/4π) (MEGA, arXiv 2209.10655). */
function laplace(x: Value): Value {
  const deviations = divideBy(subtract(x, 0.707107), 0.282095 * Math.SQRT2);
  return multiply(0.5, add(1, erf(deviations)));
}
const divideBy = (x: Value, divisor: number) => multiply(x, 1 / divisor);

/** `hidden_act`, by transformers' names (`ACT2FN`). */
export const activations = {
  gelu,
  gelu_python: gelu,
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_accurate: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  gelu_10: (x: Value) => minimum(maximum(gelu(x), -10), 10),
  quick_gelu: (x: Value) => multiply(x, sigmoid(multiply(1.702, x))),
  relu,
  relu2: (x: Value) => multiply(relu(x), relu(x)),
  relu6: (x: Value) => minimum(relu(x), 6),
  leaky_relu: (x: Value) => maximum(x, multiply(0.01, x)),
  silu,
  swish: silu,
  mish: (x: Value) => multiply(x, tanh(softplus(x))),
  sigmoid,
  tanh,
  linear: (x: Value) => x,
  laplace,
};

export type ActivationName = keyof typeof activations;
