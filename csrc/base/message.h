#pragma once

#include <string>

#include "base/error.h"
#include "base/source_location.h"

// How errors are written: torch's first sentence; then, indented by two spaces, one line for each
// place that matters, with the text of the program there; then the way out.
namespace chainrule {

// "train.py:12:  h = encoder(x).detach()", or only the place where the text is unknown; "" when
// nothing is.
std::string describe_line(const SourceLocation& location);

// A further line of a message.
template <class... Parts>
std::string note(const Parts&... parts) {
    return concat("\n  ", parts...);
}
// A further line that names a place: nothing when the place is unknown.
template <class... Parts>
std::string note_at(const SourceLocation& location, const Parts&... parts) {
    std::string line = describe_line(location);
    return line.empty() ? line : concat("\n  ", parts..., line);
}

inline bool same_place(const SourceLocation& a, const SourceLocation& b) {
    return a.code == b.code && a.instruction == b.instruction;
}
// True if the program is at this very line and instruction now.
bool is_here(const SourceLocation& location);

}  // namespace chainrule
