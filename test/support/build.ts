import { execFileSync } from 'node:child_process';

export default function build(): void {
  execFileSync('npm', ['run', 'build', '--silent'], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
}
