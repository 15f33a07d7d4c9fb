# Run at build time: fetches the locked packages of viewer/ into viewer/node_modules, where the tests
# find them too, and bundles into OUT. PLACE, if given, gets a copy of the result. REQUIRED=ON makes a
# failure stop the build.
function(give_up reason)
    if(REQUIRED STREQUAL "ON")
        message(FATAL_ERROR "${reason}")
    endif()
    message(WARNING "${reason}\nSaved pages will have their plain form.")
endfunction()

# What was fetched is known by the lock file it was fetched for.
file(SHA256 "${SOURCE}/package-lock.json" wanted)
set(note "${SOURCE}/node_modules/.fetched")
set(fetched "")
if(EXISTS "${note}")
    file(READ "${note}" fetched)
endif()
if(NOT fetched STREQUAL wanted)
    execute_process(
        COMMAND "${NPM}" ci --ignore-scripts --no-audit --no-fund --loglevel=error
        WORKING_DIRECTORY "${SOURCE}" RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        give_up("npm could not fetch the packages of the interactive page (status ${status}).")
        return()
    endif()
    file(WRITE "${note}" "${wanted}")
endif()

file(RELATIVE_PATH out "${SOURCE}" "${OUT}")
execute_process(
    COMMAND "${NODE}" build.mjs "${out}"
    WORKING_DIRECTORY "${SOURCE}" RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    give_up("The interactive page could not be bundled (status ${status}).")
    return()
endif()
if(PLACE)
    file(COPY "${OUT}/page.js" "${OUT}/page.css" DESTINATION "${PLACE}")
endif()
