const CRC16: [u16; 256] = crc16_table();
const CRC32: [u32; 256] = crc32_table();

/// CRC-16/XMODEM: polynomial 0x1021, from 0, not reflected.
#[inline]
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (crc << 8) ^ CRC16[usize::from(crc.to_be_bytes()[0] ^ byte)]
    })
}

/// The same in 32 bits, of which the upper half keeps what was shifted out.
pub(super) fn crc16_wide(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc: u32, byte| {
        let index = crc.to_be_bytes()[2] ^ byte;
        (crc << 8) ^ u32::from(CRC16[usize::from(index)])
    })
}

/// CRC-32 of IEEE 802.3: polynomial 0x04c11db7, reflected, inverted before and after.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let index = crc.to_le_bytes()[0] ^ byte;
        (crc >> 8) ^ CRC32[usize::from(index)]
    })
}

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index: u16 = 0;
    while index < 256 {
        let mut crc = index << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index: u32 = 0;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 {
                crc >> 1
            } else {
                (crc >> 1) ^ 0xedb8_8320
            };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
}
