//! The names of encodings: Python's and the WHATWG registry's.

use encoding_rs::Encoding as Codec;

use super::{ByteOrder, Encoding, charmaps};

/// The encoding called `name` in Python, or else in the registry.
pub(super) fn encoding(name: &str) -> Option<Encoding> {
    let words = normalized(name)?;
    python(&words).or_else(|| {
        // The registry's labels have hyphens, underscores, or both, such as `iso_8859-2:1987`.
        let hyphenated = words.replace('_', "-");
        let labels = [name, &hyphenated, &words];
        labels.iter().find_map(|label| Codec::for_label_no_replacement(label.as_bytes())).map(Encoding::Other)
    })
}

/// The words of `name`, as Python's codecs normalize it: in lower case, joined by underscores, without other punctuation.
/// No name has characters beyond ASCII.
fn normalized(name: &str) -> Option<String> {
    if !name.is_ascii() || name.contains('\0') {
        return None;
    }
    let mut words = String::with_capacity(name.len());
    for word in name.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if !words.is_empty() {
            words.push('_');
        }
        words.push_str(word);
    }
    words.make_ascii_lowercase();
    Some(words)
}

/// The encoding with the normalized name `name` among Python 3.11's codecs and its `encodings.aliases`.
fn python(name: &str) -> Option<Encoding> {
    Some(match name {
        "utf_8" | "cp65001" | "u8" | "utf" | "utf8" | "utf8_ucs2" | "utf8_ucs4" => Encoding::Utf8,
        "utf_8_sig" | "utf8_sig" => Encoding::Utf8Sig,
        "utf_16" | "u16" | "utf16" => Encoding::Utf16(None),
        "utf_16_le" | "unicodelittleunmarked" | "utf16_le" | "utf16le" | "utf_16le" => {
            Encoding::Utf16(Some(ByteOrder::Little))
        }
        "utf_16_be" | "unicodebigunmarked" | "utf16_be" | "utf16be" | "utf_16be" => {
            Encoding::Utf16(Some(ByteOrder::Big))
        }
        "utf_32" | "u32" | "utf32" => Encoding::Utf32(None),
        "utf_32_le" | "utf32_le" | "utf32le" | "utf_32le" => Encoding::Utf32(Some(ByteOrder::Little)),
        "utf_32_be" | "utf32_be" | "utf32be" | "utf_32be" => Encoding::Utf32(Some(ByteOrder::Big)),
        "ascii" | "646" | "ansi_x3_4_1968" | "ansi_x3_4_1986" | "cp367" | "csascii" | "ibm367" | "iso646_us"
        | "iso_646_irv_1991" | "iso_ir_6" | "us" | "us_ascii" => Encoding::Ascii,
        "latin_1" | "8859" | "cp819" | "csisolatin1" | "ibm819" | "iso8859" | "iso88591" | "iso8859_1"
        | "iso_8859_1" | "iso_8859_1_1987" | "iso_ir_100" | "l1" | "latin" | "latin1" => Encoding::Latin1,
        "big5" | "big5_tw" | "csbig5" | "x_mac_trad_chinese" | "big5hkscs" | "big5_hkscs" | "hkscs" | "cp950"
        | "950" | "ms950" => Encoding::Other(encoding_rs::BIG5),
        "cp1250" | "1250" | "windows_1250" => Encoding::Other(encoding_rs::WINDOWS_1250),
        "cp1251" | "1251" | "windows_1251" => Encoding::Other(encoding_rs::WINDOWS_1251),
        "cp1252" | "1252" | "windows_1252" => Encoding::Other(encoding_rs::WINDOWS_1252),
        "cp1253" | "1253" | "windows_1253" => Encoding::Other(encoding_rs::WINDOWS_1253),
        "cp1254" | "1254" | "windows_1254" | "iso8859_9" | "csisolatin5" | "iso_8859_9" | "iso_8859_9_1989"
        | "iso_ir_148" | "l5" | "latin5" => Encoding::Other(encoding_rs::WINDOWS_1254),
        "cp1255" | "1255" | "windows_1255" => Encoding::Other(encoding_rs::WINDOWS_1255),
        "cp1256" | "1256" | "windows_1256" => Encoding::Other(encoding_rs::WINDOWS_1256),
        "cp1257" | "1257" | "windows_1257" => Encoding::Other(encoding_rs::WINDOWS_1257),
        "cp1258" | "1258" | "windows_1258" => Encoding::Other(encoding_rs::WINDOWS_1258),
        "cp866" | "866" | "csibm866" | "ibm866" => Encoding::Other(encoding_rs::IBM866),
        "cp874" | "iso8859_11" | "iso_8859_11" | "iso_8859_11_2001" | "thai" | "tis_620" | "iso_ir_166" | "tis620"
        | "tis_620_0" | "tis_620_2529_0" | "tis_620_2529_1" => Encoding::Other(encoding_rs::WINDOWS_874),
        "euc_jp" | "eucjp" | "u_jis" | "ujis" => Encoding::Other(encoding_rs::EUC_JP),
        "euc_kr" | "euckr" | "korean" | "ks_c_5601" | "ks_c_5601_1987" | "ks_x_1001" | "ksc5601" | "ksx1001"
        | "x_mac_korean" | "cp949" | "949" | "ms949" | "uhc" => Encoding::Other(encoding_rs::EUC_KR),
        "gb18030" | "gb18030_2000" => Encoding::Other(encoding_rs::GB18030),
        "gbk" | "936" | "cp936" | "ms936" | "gb2312" | "chinese" | "csiso58gb231280" | "euc_cn" | "euccn"
        | "eucgb2312_cn" | "gb2312_1980" | "gb2312_80" | "iso_ir_58" | "x_mac_simp_chinese" => {
            Encoding::Other(encoding_rs::GBK)
        }
        "iso2022_jp" | "csiso2022jp" | "iso2022jp" | "iso_2022_jp" => Encoding::Other(encoding_rs::ISO_2022_JP),
        "iso8859_10" | "csisolatin6" | "iso_8859_10" | "iso_8859_10_1992" | "iso_ir_157" | "l6" | "latin6" => {
            Encoding::Other(encoding_rs::ISO_8859_10)
        }
        "iso8859_13" | "iso_8859_13" | "l7" | "latin7" => Encoding::Other(encoding_rs::ISO_8859_13),
        "iso8859_14" | "iso_8859_14" | "iso_8859_14_1998" | "iso_celtic" | "iso_ir_199" | "l8" | "latin8" => {
            Encoding::Other(encoding_rs::ISO_8859_14)
        }
        "iso8859_15" | "iso_8859_15" | "l9" | "latin9" => Encoding::Other(encoding_rs::ISO_8859_15),
        "iso8859_16" | "iso_8859_16" | "iso_8859_16_2001" | "iso_ir_226" | "l10" | "latin10" => {
            Encoding::Other(encoding_rs::ISO_8859_16)
        }
        "iso8859_2" | "csisolatin2" | "iso_8859_2" | "iso_8859_2_1987" | "iso_ir_101" | "l2" | "latin2" => {
            Encoding::Other(encoding_rs::ISO_8859_2)
        }
        "iso8859_3" | "csisolatin3" | "iso_8859_3" | "iso_8859_3_1988" | "iso_ir_109" | "l3" | "latin3" => {
            Encoding::Other(encoding_rs::ISO_8859_3)
        }
        "iso8859_4" | "csisolatin4" | "iso_8859_4" | "iso_8859_4_1988" | "iso_ir_110" | "l4" | "latin4" => {
            Encoding::Other(encoding_rs::ISO_8859_4)
        }
        "iso8859_5" | "csisolatincyrillic" | "cyrillic" | "iso_8859_5" | "iso_8859_5_1988" | "iso_ir_144" => {
            Encoding::Other(encoding_rs::ISO_8859_5)
        }
        "iso8859_6" | "arabic" | "asmo_708" | "csisolatinarabic" | "ecma_114" | "iso_8859_6" | "iso_8859_6_1987"
        | "iso_ir_127" => Encoding::Other(encoding_rs::ISO_8859_6),
        "iso8859_7" | "csisolatingreek" | "ecma_118" | "elot_928" | "greek" | "greek8" | "iso_8859_7"
        | "iso_8859_7_1987" | "iso_ir_126" => Encoding::Other(encoding_rs::ISO_8859_7),
        "iso8859_8" | "csisolatinhebrew" | "hebrew" | "iso_8859_8" | "iso_8859_8_1988" | "iso_ir_138" => {
            Encoding::Other(encoding_rs::ISO_8859_8)
        }
        "koi8_r" | "cskoi8r" => Encoding::Other(encoding_rs::KOI8_R),
        "koi8_u" => Encoding::Other(encoding_rs::KOI8_U),
        "mac_cyrillic" | "maccyrillic" => Encoding::Other(encoding_rs::X_MAC_CYRILLIC),
        "mac_roman" | "macintosh" | "macroman" => Encoding::Other(encoding_rs::MACINTOSH),
        "shift_jis" | "csshiftjis" | "s_jis" | "shiftjis" | "sjis" | "x_mac_japanese" | "cp932" | "932" | "ms932"
        | "ms_kanji" | "mskanji" => Encoding::Other(encoding_rs::SHIFT_JIS),
        "cp037" | "037" | "csibm037" | "ebcdic_cp_ca" | "ebcdic_cp_nl" | "ebcdic_cp_us" | "ebcdic_cp_wt" | "ibm037"
        | "ibm039" => Encoding::Charmap(&charmaps::CP037),
        "cp273" | "273" | "csibm273" | "ibm273" => Encoding::Charmap(&charmaps::CP273),
        "cp424" | "424" | "csibm424" | "ebcdic_cp_he" | "ibm424" => Encoding::Charmap(&charmaps::CP424),
        "cp437" | "437" | "cspc8codepage437" | "ibm437" => Encoding::Charmap(&charmaps::CP437),
        "cp500" | "500" | "csibm500" | "ebcdic_cp_be" | "ebcdic_cp_ch" | "ibm500" => {
            Encoding::Charmap(&charmaps::CP500)
        }
        "cp720" => Encoding::Charmap(&charmaps::CP720),
        "cp737" => Encoding::Charmap(&charmaps::CP737),
        "cp775" | "775" | "cspc775baltic" | "ibm775" => Encoding::Charmap(&charmaps::CP775),
        "cp850" | "850" | "cspc850multilingual" | "ibm850" => Encoding::Charmap(&charmaps::CP850),
        "cp852" | "852" | "cspcp852" | "ibm852" => Encoding::Charmap(&charmaps::CP852),
        "cp855" | "855" | "csibm855" | "ibm855" => Encoding::Charmap(&charmaps::CP855),
        "cp856" => Encoding::Charmap(&charmaps::CP856),
        "cp857" | "857" | "csibm857" | "ibm857" => Encoding::Charmap(&charmaps::CP857),
        "cp858" | "858" | "csibm858" | "ibm858" => Encoding::Charmap(&charmaps::CP858),
        "cp860" | "860" | "csibm860" | "ibm860" => Encoding::Charmap(&charmaps::CP860),
        "cp861" | "861" | "cp_is" | "csibm861" | "ibm861" => Encoding::Charmap(&charmaps::CP861),
        "cp862" | "862" | "cspc862latinhebrew" | "ibm862" => Encoding::Charmap(&charmaps::CP862),
        "cp863" | "863" | "csibm863" | "ibm863" => Encoding::Charmap(&charmaps::CP863),
        "cp864" | "864" | "csibm864" | "ibm864" => Encoding::Charmap(&charmaps::CP864),
        "cp865" | "865" | "csibm865" | "ibm865" => Encoding::Charmap(&charmaps::CP865),
        "cp869" | "869" | "cp_gr" | "csibm869" | "ibm869" => Encoding::Charmap(&charmaps::CP869),
        "cp875" => Encoding::Charmap(&charmaps::CP875),
        "cp1006" => Encoding::Charmap(&charmaps::CP1006),
        "cp1026" | "1026" | "csibm1026" | "ibm1026" => Encoding::Charmap(&charmaps::CP1026),
        "cp1125" | "1125" | "cp866u" | "ibm1125" | "ruscii" => Encoding::Charmap(&charmaps::CP1125),
        "cp1140" | "1140" | "ibm1140" => Encoding::Charmap(&charmaps::CP1140),
        "hp_roman8" | "cp1051" | "cshproman8" | "ibm1051" | "r8" | "roman8" => Encoding::Charmap(&charmaps::HP_ROMAN8),
        "koi8_t" => Encoding::Charmap(&charmaps::KOI8_T),
        "kz1048" | "kz_1048" | "rk1048" | "strk1048_2002" => Encoding::Charmap(&charmaps::KZ1048),
        "mac_arabic" => Encoding::Charmap(&charmaps::MAC_ARABIC),
        "mac_croatian" => Encoding::Charmap(&charmaps::MAC_CROATIAN),
        "mac_farsi" => Encoding::Charmap(&charmaps::MAC_FARSI),
        "mac_greek" | "macgreek" => Encoding::Charmap(&charmaps::MAC_GREEK),
        "mac_iceland" | "maciceland" => Encoding::Charmap(&charmaps::MAC_ICELAND),
        "mac_latin2" | "mac_centeuro" | "maccentraleurope" | "maclatin2" => Encoding::Charmap(&charmaps::MAC_LATIN2),
        "mac_romanian" => Encoding::Charmap(&charmaps::MAC_ROMANIAN),
        "mac_turkish" | "macturkish" => Encoding::Charmap(&charmaps::MAC_TURKISH),
        "palmos" => Encoding::Charmap(&charmaps::PALMOS),
        "ptcp154" | "cp154" | "csptcp154" | "cyrillic_asian" | "pt154" => Encoding::Charmap(&charmaps::PTCP154),
        _ => return None,
    })
}
