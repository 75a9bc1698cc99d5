internal import COpenSSL
internal import Glibc

/// The certificates of one PEM file, in its order.
///
/// Safe to use: the certificates are freed once, in deinit; whoever keeps one takes a reference of its own.
@safe final class TLSCertificates {
    private(set) var all: [OpaquePointer] = unsafe []

    /// Throws when there is none, or one that cannot be read.
    init(_ file: String) throws(TLSProblem) {
        guard let bytes = SmallFile.bytes(file), self.read(bytes), unsafe !self.all.isEmpty else {
            throw TLSProblem(file: file, text: "no certificate in PEM form can be read from it")
        }
    }

    deinit { for index in unsafe self.all.indices { unsafe X509_free(self.all[index]) } }

    var first: OpaquePointer? { unsafe self.all.first }
    var rest: ArraySlice<OpaquePointer> { unsafe self.all.dropFirst() }

    /// When the first one ends, in seconds since 1970.
    var expiry: Int? {
        guard let first = unsafe self.first else { return nil }
        var time = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(X509_get0_notAfter(first), &time) == 1 else { return nil }
        return unsafe timegm(&time)
    }

    /// Hands `body` a BIO over the bytes.
    static func reading<Result>(_ bytes: UnsafeRawBufferPointer, _ body: (OpaquePointer) -> Result?) -> Result? {
        guard let bio = unsafe BIO_new_mem_buf(bytes.baseAddress, CInt(clamping: bytes.count)) else { return nil }
        defer { unsafe BIO_free(bio) }
        defer { ERR_clear_error() }
        return unsafe body(bio)
    }

    /// False when a certificate is broken.
    private func read(_ bytes: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe Self.reading(bytes) { bio in
                while let certificate = unsafe PEM_read_bio_X509(bio, nil, nil, nil) {
                    unsafe self.all.append(certificate)
                }
                // That no further one begins is how the file should end.
                let error = ERR_peek_last_error()
                return homing_error_library(error) == ERR_LIB_PEM
                    && homing_error_reason(error) == PEM_R_NO_START_LINE
            }
        } ?? false
    }
}
