/** The look of `report.html`: the dashboard's colours, and drawings that follow the theme. */
export const reportStyle = `
:root {
  --page: #f6f6f3; --card: #ffffff; --ink: #1d2329; --soft: #5d6772; --line: #e5e5df;
  --first: #1f6fc4; --second: #c8501c; --raw: #9ec3ea; --cell: #174f8f; --strong: #ffffff; --bar: #dbe8f6;
  color-scheme: light dark;
  font: 15px/1.5 system-ui, sans-serif;
  font-variant-numeric: tabular-nums;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #13161a; --card: #1b1f25; --ink: #e4e7ea; --soft: #97a1ad; --line: #2a3038;
    --first: #6cabf0; --second: #f0986a; --raw: #3c5f86; --cell: #2f6db3; --strong: #ffffff; --bar: #26405e;
  }
}
* { box-sizing: border-box; }
body {
  max-width: 76rem; margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2rem) 3rem;
  background: var(--page); color: var(--ink);
}
h1, h2, h3, p, dl, dd, figure { margin: 0; }
h1 { font-size: 1.35rem; overflow-wrap: anywhere; }
h2 { margin: 1.75rem 0 0.6rem; font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
h3 { margin-bottom: 0.4rem; font-size: 0.95rem; font-weight: 600; }
.note, dt { color: var(--soft); }
.note { overflow-wrap: anywhere; }
.tiles, .columns { display: grid; gap: 0.75rem; margin-top: 0.75rem; }
.tiles { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
.columns { grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); align-items: start; }
.card, .tiles > div {
  min-width: 0; border: 1px solid var(--line); border-radius: 0.6rem; background: var(--card);
}
.card { padding: 0.8rem 0.9rem; }
.card + .card { margin-top: 0.75rem; }
.columns > .card { margin-top: 0; }
.tiles > div { padding: 0.6rem 0.9rem; }
.tiles dt { font-size: 0.8rem; overflow-wrap: anywhere; }
.tiles dd { font-size: 1.4rem; line-height: 1.3; white-space: nowrap; }
.tiles .main { border-color: var(--first); box-shadow: inset 0 0 0 1px var(--first); }
.tiles .main dd { font-weight: 600; }
.scroll { overflow: auto; max-height: 36rem; }
.scroll:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
svg { display: block; }
.curves svg { width: 100%; height: auto; }
.matrix .scroll { max-height: none; }
.matrix svg { margin: 0 auto; }
.wide { grid-column: 1 / -1; }
.paper { fill: none; }
svg text { fill: var(--soft); }
svg .title { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--line); }
.mark { stroke: var(--soft); }
line.raw, polyline.raw { stroke: var(--raw); }
line.first, polyline.first { stroke: var(--first); }
line.second, polyline.second { stroke: var(--second); }
circle.raw { fill: var(--raw); }
circle.first { fill: var(--first); }
circle.second { fill: var(--second); }
.cell { fill: var(--cell); stroke: var(--line); }
.cell.right { stroke: var(--ink); }
svg .weak { fill: var(--ink); }
svg .strong { fill: var(--strong); }
table { width: 100%; border-collapse: collapse; font-size: 0.87rem; }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; white-space: nowrap; }
th { position: sticky; top: 0; background: var(--card); color: var(--soft); font-weight: 600; }
tbody th { position: static; color: inherit; font-weight: 400; }
tfoot td, tfoot th { border-bottom: 0; font-weight: 600; position: static; color: inherit; }
.text { text-align: left; white-space: normal; overflow-wrap: anywhere; unicode-bidi: plaintext; }
.long { min-width: 16rem; }
.label { min-width: 6rem; max-width: 16rem; }
.best td, .best th { background: var(--bar); }
.bar { background: linear-gradient(var(--bar), var(--bar)) left / var(--share) 100% no-repeat; }
details.card summary { font-weight: 600; cursor: pointer; }
details dl { display: grid; grid-template-columns: auto 1fr; gap: 0.15rem 1rem; margin-top: 0.5rem; font-size: 0.87rem; }
details dd { overflow-wrap: anywhere; text-align: right; }
@media (max-width: 40rem) {
  .curves svg { font-size: 17px; }
  .curves svg .title { font-size: 19px; }
  .curves svg .axis { display: none; }
  th, td { padding: 0.3rem 0.4rem; }
  .errors .scroll { max-height: 70vh; }
  .errors thead { display: none; }
  .errors tr { display: block; padding: 0.5rem 0; border-bottom: 1px solid var(--line); }
  .errors td { display: block; min-width: 0; max-width: none; padding: 0.1rem 0; border: 0; text-align: left; }
  .errors td:not(.long)::before { content: attr(data-name) ': '; color: var(--soft); }
}
@media (min-width: 40.01rem) {
  .matrix:not(.wide) svg { max-width: 100%; height: auto; }
}
@media print {
  body { max-width: none; }
  .scroll { max-height: none; }
  .card { break-inside: avoid; }
}
`;
