/** The frame of a page that needs no other file and no script. */
import { shownText } from '../../markup.js';
import { reportStyle } from './report-style.js';

/** @param note and @param main are markup */
export const htmlPage = (heading: string, note: string, main: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${shownText(heading)}</title>
<style>${reportStyle}</style>
</head>
<body>
<header>
<h1>${shownText(heading)}</h1>
<p class="note">${note}</p>
</header>
<main>
${main}
</main>
</body>
</html>
`;
