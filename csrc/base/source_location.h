#pragma once

#include <cstdint>
#include <string>

namespace chainrule {

// Where in the user's program something happened: a code object and an instruction offset in it.
// Kept as an opaque pair so that remembering costs nanoseconds; the text is made when asked for.
struct SourceLocation {
    void* code = nullptr;  // owned reference, released through the front end
    int32_t instruction = 0;
};

// What the front end (bind/) lends to the core.
struct FrontEnd {
    void (*capture)(SourceLocation* location) = nullptr;  // location->code is a new reference
    void (*release)(void* code) = nullptr;                // gives back a reference
    void (*retain)(void* code) = nullptr;
    std::string (*describe)(const SourceLocation& location) = nullptr;  // "train.py:12"
    void (*peek)(SourceLocation* location) = nullptr;  // as capture, with a borrowed reference
    std::string (*line_text)(const SourceLocation& location) = nullptr;  // "" when unknown
};
extern FrontEnd g_front_end;

inline void capture_location(SourceLocation* location) {
    if (g_front_end.capture) g_front_end.capture(location);
}
inline void release_location(SourceLocation* location) {
    if (location->code) {
        g_front_end.release(location->code);
        location->code = nullptr;
    }
}
// The same place a second time, with a reference of its own.
SourceLocation copy_location(const SourceLocation& location);
std::string describe_location(const SourceLocation& location);  // "" when unknown

}  // namespace chainrule
