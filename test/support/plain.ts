// what tests start answers in its own colours, whatever whoever runs them asks for
delete process.env.FORCE_COLOR;
delete process.env.NO_COLOR;
