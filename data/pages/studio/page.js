// On the page: the worker, and what pages share.
const studio = {models: {}, calls: {}, n: 0}
const $ = (what, of = document) => of.querySelector(what)
const bytesOf = text => {
  const s = atob(text), a = new Uint8Array(s.length)
  for (let i = 0; i < s.length; i++) a[i] = s.charCodeAt(i)
  return a
}
const gunzip = async text => (new Response(new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream('gzip')))).arrayBuffer()

const script = src => new Promise((onload, onerror) => document.head.append(element('script', {src, onload, onerror})))

// The engine in a worker of its own. From a server it is fetched as it is, for browsers keep what they have compiled of
// an address; a page from a folder may load scripts and nothing else
studio.begin = async () => {
  const runtime = await gunzip(studio.engine.runtime), first = `const ZIGGURAT = ${JSON.stringify(studio.engine.ziggurat)}\n`
  studio.worker = new Worker(URL.createObjectURL(new Blob([first, runtime, '\n', ...studio.engine.code], {type: 'text/javascript'})))
  studio.worker.onmessage = ({data: {id, value, error}}) => {
    const [done, failed] = studio.calls[id]
    delete studio.calls[id]
    error === undefined ? done(value) : failed(Error(error))
  }
  studio.worker.onerror = e => say(`The engine did not start: ${e.message}`)
  if (location.protocol == 'file:') await script('wasm.js')
  else studio.engine.wasm = new URL(studio.engine.wasm, location.href).href
  await studio.ask('begin', studio.engine.glue, studio.engine.wasm)
  studio.engine = null
}
studio.ask = (what, ...args) => new Promise((done, failed) => {
  studio.calls[++studio.n] = [done, failed]
  studio.worker.postMessage({id: studio.n, what, args})
})

const say = text => { $('#note').textContent = text }
const element = (tag, props = {}, ...children) => {
  const e = document.createElement(tag)
  for (const [k, v] of Object.entries(props)) k in e ? e[k] = v : e.setAttribute(k, v)
  e.append(...children)
  return e
}
const options = (select, values, text = o => o) => select.replaceChildren(...values.map(o => new Option(text(o), o)))
const anySeed = () => Math.floor(Math.random() * 1e9)
const seedOf = field => {
  const ok = /^\s*\d{1,10}\s*$/.test(field.value) && +field.value < 2 ** 32
  field.setAttribute('aria-invalid', !ok)
  if (!ok) throw Error('Seed: expected a whole number from 0 to 4294967295')
  return +field.value
}
const save = (name, content, type = 'application/json') => {
  const a = element('a', {href: URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type})), download: name})
  a.click()
  setTimeout(() => URL.revokeObjectURL(a.href), 10000)
}
const blobOf = canvas => new Promise(done => canvas.toBlob(done, 'image/png'))
const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches

// Planes (c,h,w) of bytes onto a canvas
function paint(canvas, data, [c, h, w]) {
  const image = new ImageData(w, h), n = h * w
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = data[(k % c) * n + i]
    image.data[4 * i + 3] = c == 4 ? data[3 * n + i] : 255
  }
  canvas.width = w
  canvas.height = h
  canvas.getContext('2d').putImageData(image, 0, 0)
}

// A PNG of RGBA bytes, each as it is: a canvas would round colours where alpha is low
async function png(data, w, h) {
  const table = Array.from({length: 256}, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1; return n })
  const crc = a => { let c = -1; for (const o of a) c = table[(c ^ o) & 255] ^ c >>> 8; return ~c }
  const number = n => [n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255]
  const chunk = (name, body) => {
    const a = Uint8Array.from([...name].map(c => c.charCodeAt(0))), all = new Uint8Array(a.length + body.length)
    all.set(a); all.set(body, a.length)
    return new Blob([Uint8Array.from(number(body.length)), all, Uint8Array.from(number(crc(all)))])
  }
  const rows = new Uint8Array(h * (4 * w + 1))
  for (let r = 0; r < h; r++) rows.set(data.subarray(4 * w * r, 4 * w * (r + 1)), r * (4 * w + 1) + 1)
  const packed = new Uint8Array(await new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate'))).arrayBuffer())
  return new Blob([Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), chunk('IHDR', Uint8Array.from([...number(w), ...number(h), 8, 6, 0, 0, 0])), chunk('IDAT', packed), chunk('IEND', new Uint8Array())], {type: 'image/png'})
}

// While one drawing goes on, only the last wish is kept
let drawings = 0
const lastWish = f => {
  let busy = false, again = false
  return async (...args) => {
    if (busy) { again = args; return }
    busy = true
    document.body.setAttribute('aria-busy', ++drawings > 0)
    try {
      do { again = false; await f(...args); if (again) args = again } while (again)
      studio.error = ''
    } catch (e) { say(e.message); studio.error = e.message }
    busy = false
    document.body.setAttribute('aria-busy', --drawings > 0)
  }
}

studio.tellLicence = about => {
  const of = k => [...new Set(about.map(o => o[k]))]
  $('#licence').textContent = `Drawn in this browser; nothing leaves it. The weights are under ${of('licence').join(', ')}; to be on the safe side, so is what they draw. ${of('credit').join(' ')}`
}
// A model that is loaded later
studio.fetch = async name => {
  if (!studio.models[name]) await script(`model-${name}.js`)
  return studio.ask('load', name, studio.models[name])
}

// Load models and go; `studio.ready` says so to whoever waits
studio.open = async (names, go) => {
  try {
    const times = studio.times = {}, mark = k => { times[k] = Math.round(performance.now()) }
    say('Unpacking…')
    await studio.started
    mark('engine')
    const about = []
    for (const o of names) { about.push(await studio.ask('load', o, studio.models[o])); delete studio.models[o] }
    studio.tellLicence(about)
    say('')
    mark('models')
    await go(...about)
    mark('drawn')
    studio.ready = true
  } catch (e) { say(e.message); studio.error = e.message }
}
