#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace chainrule {

// The Python exception type that an error becomes; bind/ does the mapping.
enum class ErrorKind { Runtime, Type, Value, Index, NotImplemented, OutOfMemory, Attribute };

class Error : public std::exception {
public:
    Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

    ErrorKind kind() const noexcept { return kind_; }
    const std::string& message() const noexcept { return message_; }
    const char* what() const noexcept override { return message_.c_str(); }

private:
    ErrorKind kind_;
    std::string message_;
};

// Thrown when a Python exception is already set: bind/ lets it pass through.
class PythonErrorSet : public std::exception {};

template <class... Parts>
std::string concat(const Parts&... parts) {
    std::ostringstream stream;
    (stream << ... << parts);
    return stream.str();
}

template <class... Parts>
[[noreturn]] __attribute__((cold, noinline)) void fail(ErrorKind kind, const Parts&... parts) {
    throw Error(kind, concat(parts...));
}

}  // namespace chainrule

// Throws unless the condition holds. A macro, so that the parts of the message are only made when
// they are needed: most are shapes turned into text.
#define check(condition, kind, ...)                                     \
    do {                                                                \
        if (__builtin_expect(!(condition), 0)) fail(kind, __VA_ARGS__); \
    } while (0)
