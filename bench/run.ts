// node bench/run.ts [NAME...] [--record] [--json] [--quick] is `veritape bench` with the same arguments.
process.argv.splice(2, 0, 'bench');
await import('../ops/veritape.ts');
