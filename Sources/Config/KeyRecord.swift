/// What a section said about one of its keys while it was described: the key's manual entry and its value.
///
/// From these the effective file and the reference are written, so neither can disagree with what is read.
package struct KeyRecord {
    package let key: String
    /// What is right for this key, as in `ValueForm.expects`.
    package let expects: String
    /// The manual entry: a sentence or two.
    package let manual: String
    package let content: Content

    package enum Content {
        case value(ScalarText)
        /// Nothing is set and there is no default.
        case unset
        case values([ScalarText])
        case section([KeyRecord])
        /// A section that may be left out and is.
        case unsetSection(blank: [KeyRecord])
        /// The elements there are, and how an element looks that sets nothing.
        case sections([[KeyRecord]], blank: [KeyRecord])
        /// Where a secret comes from, without the secret.
        case secret(Secret.Source?)
    }
}
