// TLS as libpq's PGSSLMODE names it, for drivers that do not read it in full.
'use strict'
const fs = require('node:fs')

module.exports = function tls() {
  switch (process.env.PGSSLMODE) {
    case 'disable':
      return false
    case 'require':
      return { rejectUnauthorized: false }
    case 'verify-full':
      return { ca: fs.readFileSync(process.env.PGSSLROOTCERT, 'utf8') }
    default:
      throw new Error(`PGSSLMODE=${process.env.PGSSLMODE}`)
  }
}
