# The interactive page: viewer/ bundled by Node into page.js and page.css. Without Node, or where the
# packages cannot be fetched, the build goes on and pages get their plain form.
set(CHAINRULE_VIEWER AUTO CACHE STRING "Bundle the interactive page: AUTO, ON (or fail) or OFF")
set_property(CACHE CHAINRULE_VIEWER PROPERTY STRINGS AUTO ON OFF)

find_program(CHAINRULE_NODE node)
find_program(CHAINRULE_NPM npm)
mark_as_advanced(CHAINRULE_NODE CHAINRULE_NPM)

function(chainrule_add_viewer)
    if(CHAINRULE_VIEWER STREQUAL "OFF")
        return()
    endif()
    if(NOT CHAINRULE_NODE OR NOT CHAINRULE_NPM)
        if(CHAINRULE_VIEWER STREQUAL "AUTO")
            message(STATUS "Node.js was not found: saved pages will have their plain form")
            return()
        endif()
        message(FATAL_ERROR "CHAINRULE_VIEWER=ON needs node and npm")
    endif()

    set(source "${CMAKE_CURRENT_SOURCE_DIR}/viewer")
    set(out "${CMAKE_CURRENT_BINARY_DIR}/viewer")
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${source}/src/*")
    set(stamp "${out}/built.stamp")
    set(place "")
    if(CHAINRULE_INPLACE)
        set(place "${CMAKE_CURRENT_SOURCE_DIR}/chainrule/viewer/static")
    endif()
    add_custom_command(
        OUTPUT "${stamp}"
        COMMAND ${CMAKE_COMMAND} -DSOURCE=${source} -DOUT=${out} -DPLACE=${place}
            -DNODE=${CHAINRULE_NODE} -DNPM=${CHAINRULE_NPM} -DREQUIRED=${CHAINRULE_VIEWER}
            -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/bundle_viewer.cmake"
        COMMAND ${CMAKE_COMMAND} -E touch "${stamp}"
        DEPENDS ${sources} "${source}/package.json" "${source}/package-lock.json"
            "${source}/build.mjs" "${CMAKE_CURRENT_SOURCE_DIR}/cmake/bundle_viewer.cmake"
        COMMENT "Bundling the interactive page"
        VERBATIM)
    add_custom_target(chainrule_viewer ALL DEPENDS "${stamp}")
    install(FILES "${out}/page.js" "${out}/page.css"
        DESTINATION chainrule/viewer/static OPTIONAL)
endfunction()
