/** Curves over iterations. */
import { ticks } from '../../train/curves.js';
import { element, svg } from './dom.js';
import { count } from './format.js';

export type Point = readonly [iteration: number, value: number];

export interface Line {
  /** Empty where it goes without saying. Lines without one are drawn, but not in the legend. */
  readonly name?: string;
  /** What the style sheet colours it by. */
  readonly className: string;
  /** By iteration. */
  readonly points: readonly Point[];
  readonly dots?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  readonly format: (value: number) => string;
  /** Whether the values can be drawn on a logarithmic scale, and are at first. */
  readonly logarithmic?: 'at first' | 'on demand';
}

export interface Chart {
  draw(lines: readonly Line[]): void;
}

/** The iteration that is pointed at, in all charts of a page. */
export interface Pointer {
  readonly at: number | undefined;
  move(iteration: number | undefined): void;
  /** @param listener called after each move */
  listen(listener: () => void): void;
}

export function createPointer(): Pointer {
  const listeners: (() => void)[] = [];
  let at: number | undefined;
  return {
    get at() {
      return at;
    },
    move(iteration) {
      at = iteration;
      for (const listener of listeners) listener();
    },
    listen: (listener) => listeners.push(listener),
  };
}

const margin = { top: 10, right: 24, bottom: 26, left: 58 };

/** Where values lie on an axis. */
interface Scale {
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

export function createChart(
  figure: HTMLElement,
  pointer: Pointer,
  { title, format, logarithmic }: ChartOptions,
): Chart {
  const drawing = svg('svg', { role: 'img', tabindex: 0, 'aria-label': `${title} over iterations` });
  const legend = element('div', 'legend');
  const caption = element('figcaption', '', element('h2', '', title), legend);
  let isLogarithmic = logarithmic === 'at first';
  if (logarithmic) caption.append(logarithmicToggle());
  figure.append(caption, drawing);

  let lines: readonly Line[] = [];
  let crosshair = svg('g', { class: 'crosshair' });
  let horizontal: Scale = { place: () => 0, ticks: [] };
  let vertical = horizontal;
  let last = 1;

  function logarithmicToggle(): HTMLElement {
    const box = element('input', '');
    box.type = 'checkbox';
    box.checked = isLogarithmic;
    box.addEventListener('change', () => {
      isLogarithmic = box.checked;
      render();
    });
    return element('label', 'log', box, 'log');
  }

  function render(): void {
    const { clientWidth: width, clientHeight: height } = drawing;
    if (width === 0) return;
    const [right, floor] = [width - margin.right, height - margin.bottom];
    last = Math.max(1, ...lines.map(({ points }) => points.at(-1)?.[0] ?? 0));
    const drawn = lines.map((line) => ({
      ...line,
      points: line.points.filter(([, value]) => !isLogarithmic || value > 0),
    }));
    const values = drawn.flatMap(({ points }) => points.map(([, value]) => value));
    horizontal = linearScale(0, last, margin.left, right, Math.max(2, width / 110));
    vertical = valueScale(values, floor, margin.top, isLogarithmic);
    const grid = vertical.ticks.map((value) => {
      const y = vertical.place(value);
      return svg(
        'g',
        {},
        svg('line', { x1: margin.left, x2: right, y1: y, y2: y }),
        svg('text', { x: margin.left - 8, y: y + 4, 'text-anchor': 'end' }, format(value)),
      );
    });
    const iterations = horizontal.ticks
      .filter(Number.isInteger)
      .map((value) =>
        svg('text', { x: horizontal.place(value), y: height - 6, 'text-anchor': 'middle' }, count(value)),
      );
    crosshair = svg('g', { class: 'crosshair' });
    drawing.replaceChildren(
      svg('g', { class: 'grid' }, ...grid, ...iterations),
      ...drawn.map((line) => curve(line, horizontal, vertical)),
      crosshair,
    );
    point();
  }

  /** The legend's values are those that are pointed at, or else the newest. */
  function point(): void {
    const { at } = pointer;
    const named = lines.filter(({ name }) => name !== undefined);
    const nearest = named.map(({ points }) => nearestPoint(points, at ?? Infinity));
    legend.replaceChildren(
      ...named.map(({ name, className }, i) => {
        const value = nearest[i]?.[1];
        const shown = value === undefined ? '–' : format(value);
        const label = name === '' ? [] : [element('i', ''), `${name!} `];
        return element('span', className, ...label, element('b', '', shown));
      }),
    );
    crosshair.replaceChildren();
    if (at === undefined || lines.length === 0) return;
    const x = horizontal.place(Math.min(at, last));
    const { clientWidth: width, clientHeight: height } = drawing;
    const label = Math.min(Math.max(x, margin.left + 20), width - margin.right - 20);
    crosshair.append(
      svg('line', { x1: x, x2: x, y1: margin.top, y2: height - margin.bottom }),
      ...named.flatMap(({ className }, i) => {
        const found = nearest[i];
        if (!found || (isLogarithmic && found[1] <= 0)) return [];
        const [cx, cy] = [horizontal.place(found[0]), vertical.place(found[1])];
        return [svg('circle', { class: className, cx, cy, r: 4 })];
      }),
      svg('rect', { x: label - 32, y: height - 20, width: 64, height: 20 }),
      svg('text', { x: label, y: height - 6, 'text-anchor': 'middle' }, count(Math.min(at, last))),
    );
  }

  const moveTo = ({ offsetX }: MouseEvent) => {
    const width = drawing.clientWidth - margin.left - margin.right;
    const iteration = Math.round((last * (offsetX - margin.left)) / width);
    pointer.move(Math.min(last, Math.max(0, iteration)));
  };
  drawing.addEventListener('pointermove', moveTo);
  drawing.addEventListener('pointerdown', moveTo);
  for (const name of ['pointerleave', 'blur'])
    drawing.addEventListener(name, () => {
      pointer.move(undefined);
    });
  drawing.addEventListener('keydown', ({ key }) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (direction === undefined) return;
    const step = direction * Math.max(1, Math.round(last / 100));
    pointer.move(Math.min(last, Math.max(0, (pointer.at ?? last) + step)));
  });
  pointer.listen(point);
  new ResizeObserver(render).observe(drawing);
  return {
    draw(given) {
      lines = given;
      render();
    },
  };
}

function curve({ className, points, dots = false }: Line, x: Scale, y: Scale): SVGElement {
  const places = points.map(([iteration, value]) => [x.place(iteration), y.place(value)] as const);
  const path = places.map(([cx, cy]) => `${cx.toFixed(1)},${cy.toFixed(1)}`).join(' ');
  return svg(
    'g',
    { class: `curve ${className}` },
    svg('polyline', { points: path }),
    ...(dots && places.length < 100 ? places.map(([cx, cy]) => svg('circle', { cx, cy, r: 2.5 })) : []),
  );
}

function linearScale(from: number, to: number, start: number, end: number, most: number): Scale {
  const place = (value: number) => start + ((value - from) / (to - from)) * (end - start);
  return { place, ticks: ticks(from, to, most) };
}

function valueScale(values: readonly number[], floor: number, top: number, isLogarithmic: boolean): Scale {
  if (values.length === 0) return { place: () => floor, ticks: [] };
  const lowest = values.reduce((a, b) => Math.min(a, b));
  const greatest = values.reduce((a, b) => Math.max(a, b));
  if (isLogarithmic) return logarithmicScale(lowest, greatest, floor, top);
  const pad = 0.06 * (greatest - lowest) || 0.05 * Math.abs(greatest) || 1;
  const from = lowest >= 0 ? Math.max(0, lowest - pad) : lowest - pad;
  return linearScale(from, greatest + pad, floor, top, 5);
}

function logarithmicScale(lowest: number, greatest: number, floor: number, top: number): Scale {
  const [from, to] = [Math.log10(lowest / 1.2), Math.log10(greatest * 1.2)];
  const { place } = linearScale(from, to, floor, top, 5);
  const factors = to - from < 2.5 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil((to - from) / 6));
  const round: number[] = [];
  for (let power = Math.floor(from); power <= to; power += every)
    round.push(...factors.map((factor) => factor * 10 ** power));
  return {
    place: (value) => place(Math.log10(value)),
    ticks: round.filter((value) => value >= 10 ** from && value <= 10 ** to),
  };
}

/** By bisection. */
function nearestPoint(points: readonly Point[], iteration: number): Point | undefined {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle]![0] < iteration) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [points[low - 1], points[low]];
  return before && after && iteration - before[0] < after[0] - iteration ? before : after;
}
