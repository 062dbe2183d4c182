// In the worker: models as Python packed them, and ONNX Runtime, which computes their networks.
const models = {}

const bytesOf = text => {
  const s = atob(text), a = new Uint8Array(s.length)
  for (let i = 0; i < s.length; i++) a[i] = s.charCodeAt(i)
  return a
}
const gunzip = async text => {
  const s = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream('gzip'))
  return new Uint8Array(await new Response(s).arrayBuffer())
}

function halfToFloat(h) {
  const e = h >> 10 & 31, m = h & 1023, sign = h & 0x8000 ? -1 : 1
  if (e == 0) return sign * m * 2 ** -24
  return e == 31 ? (m ? NaN : sign * Infinity) : sign * (1 + m / 1024) * 2 ** (e - 15)
}
const KINDS = {float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array}

// A tensor at full width: from 16 bits, or from 8 bits and a scale for each channel
function widen(t, data, to) {
  const n = t.shape.reduce((a, b) => a * b, 1), at = data.byteOffset + t.at
  if (t.kind == 'float16') {
    const h = new Uint16Array(data.buffer.slice(at, at + 2 * n))
    for (let i = 0; i < n; i++) to[i] = halfToFloat(h[i])
  } else if (t.kind == 'int8') {
    const scales = new Float32Array(data.buffer.slice(at, at + 4 * t.rows)), q = new Int8Array(data.buffer, at + 4 * t.rows, n), k = n / t.rows
    for (let r = 0, i = 0; r < t.rows; r++) for (let j = 0; j < k; j++, i++) to[i] = q[i] * scales[r]
  }
}

async function load(name, text) {
  if (models[name]) return models[name].about
  const data = await gunzip(text), size = new DataView(data.buffer).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + size)))
  const body = data.subarray(4 + size), weights = new Uint8Array(head.room), tables = {}
  for (const [k, t] of Object.entries(head.tensors)) {
    const n = t.shape.reduce((a, b) => a * b, 1), Kind = KINDS[t.kind] || Float32Array
    const own = t.to === undefined ? new Kind(n) : new Kind(weights.buffer, t.to, n)
    if (KINDS[t.kind]) new Uint8Array(own.buffer, own.byteOffset, own.byteLength).set(body.subarray(t.at, t.at + own.byteLength))
    else widen(t, body, own)
    if (t.to === undefined) tables[k] = own
  }
  models[name] = {about: head.about, graphs: head.graphs, body, weights, tables, sessions: {}}
  return head.about
}

// `wasm` is an address, or the engine itself; addresses are made here, for a page from a folder shares none with its worker
async function begin(glue, wasm) {
  const url = async (text, type) => URL.createObjectURL(new Blob([await gunzip(text)], {type}))
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = 'error'
  ort.env.wasm.wasmPaths = {mjs: await url(glue, 'text/javascript'), wasm: /^http/.test(wasm) ? wasm : await url(wasm, 'application/wasm')}
  ort.InferenceSession.create(new Uint8Array(1)).catch(() => {})        // no network, but the engine starts
}

// A network of a model; `inputs` are [type, data, shape]. Its outputs, each with its shape
async function run(name, graph, ...inputs) {
  const m = models[name]
  if (!m.sessions[graph]) {
    const g = m.graphs[graph], file = m.body.slice(g.at, g.at + g.size)
    m.sessions[graph] = await ort.InferenceSession.create(file, {executionProviders: ['wasm'], logSeverityLevel: 3, externalData: [{path: 'weights', data: m.weights}]})
  }
  const s = m.sessions[graph], feeds = {}
  s.inputNames.forEach((k, i) => { feeds[k] = new ort.Tensor(...inputs[i]) })
  const out = await s.run(feeds)
  return s.outputNames.map(k => ({data: out[k].data, shape: out[k].dims}))
}

const longs = a => BigInt64Array.from(a, o => BigInt(o))
const sum = a => { let s = 0; for (const o of a) s += o; return s }
function rint(v) {                                       // to the nearest even number, as NumPy rounds
  const r = Math.round(v)
  return Math.abs(v % 1) == .5 && r % 2 ? r - 1 : r
}
const clip = (v, lo, hi) => Math.min(Math.max(v, lo), hi)

// What pages may ask for: each draws with one system
const draw = {begin, load, requests: () => performance.getEntriesByType('resource').map(o => o.name), run: (...a) => run(...a), stream, normal, numbers: (seed, name) => {
  const r = new Random(seed, name)
  return {floats: r.floats(5), doubles: [r.double(), r.double()], below: [3, 7, 1000, 2 ** 31].map(o => r.below(o)), permutation: r.permutation(50)}
}}
let last = Promise.resolve()
onmessage = ({data: {id, what, args}}) => {
  last = last.then(async () => {
    try { postMessage({id, value: await draw[what](...args)}) }
    catch (e) { postMessage({id, error: String(e && e.message || e)}) }
  })
}
