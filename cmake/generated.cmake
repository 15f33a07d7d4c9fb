# Runs opgen: the operator table ops/*.py becomes C++ sources and a type stub.

set(GENERATED_DIR "${CMAKE_CURRENT_BINARY_DIR}/generated")
file(GLOB table_files CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/ops/*.py")
file(GLOB opgen_files CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/opgen/*.py")
# A new row can give a family its first kernel, so the list of outputs is asked for again.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${table_files} ${opgen_files})

set(opgen "${CMAKE_COMMAND}" -E env PYTHONDONTWRITEBYTECODE=1
    "${Python_EXECUTABLE}" -m opgen)
execute_process(
    COMMAND ${opgen} outputs --out "${GENERATED_DIR}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    OUTPUT_VARIABLE outputs
    ERROR_VARIABLE complaint
    RESULT_VARIABLE status
    OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "the operator table cannot be read:\n${complaint}")
endif()
string(REPLACE "\n" ";" outputs "${outputs}")

set(GENERATED_FILES)
foreach(file IN LISTS outputs)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY "${GENERATED_DIR}" NORMALIZE)
    list(APPEND GENERATED_FILES "${file}")
endforeach()

set(GENERATED_KERNEL_SOURCES ${GENERATED_FILES})
list(FILTER GENERATED_KERNEL_SOURCES INCLUDE REGEX "/kernels_[^/]*\\.cpp$")
set(GENERATED_BIND_SOURCES ${GENERATED_FILES})
list(FILTER GENERATED_BIND_SOURCES INCLUDE REGEX "/bind_[^/]*\\.cpp$")
set(GENERATED_STUBS ${GENERATED_FILES})
list(FILTER GENERATED_STUBS INCLUDE REGEX "\\.pyi$")
set(GENERATED_CORE_SOURCES ${GENERATED_FILES})
list(FILTER GENERATED_CORE_SOURCES INCLUDE REGEX "\\.cpp$")
list(FILTER GENERATED_CORE_SOURCES EXCLUDE REGEX "/(kernels|bind)_[^/]*\\.cpp$")

# opgen writes a file only when its text changes. The stamp alone is the output that is always
# new; the sources are byproducts, so an unchanged family is not compiled again.
set(stamp "${GENERATED_DIR}/opgen.stamp")
add_custom_command(
    OUTPUT "${stamp}"
    BYPRODUCTS ${GENERATED_FILES}
    COMMAND ${opgen} build --out "${GENERATED_DIR}"
    COMMAND "${CMAKE_COMMAND}" -E touch "${stamp}"
    DEPENDS ${table_files} ${opgen_files}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    COMMENT "Deriving sources from the operator table"
    VERBATIM)
add_custom_target(chainrule_generated DEPENDS "${stamp}")
