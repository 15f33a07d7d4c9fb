# Run at build time: copies viewer/ into the build folder, fetches the locked packages there and
# bundles. PLACE, if given, gets a copy of the result. REQUIRED=ON makes a failure stop the build.
function(give_up reason)
    if(REQUIRED STREQUAL "ON")
        message(FATAL_ERROR "${reason}")
    endif()
    message(WARNING "${reason}\nSaved pages will have their plain form.")
endfunction()

file(MAKE_DIRECTORY "${WORK}")
file(SHA256 "${SOURCE}/package-lock.json" wanted)
set(fetched "")
if(EXISTS "${WORK}/fetched.txt")
    file(READ "${WORK}/fetched.txt" fetched)
endif()
file(COPY "${SOURCE}/package.json" "${SOURCE}/package-lock.json" "${SOURCE}/build.mjs"
    DESTINATION "${WORK}")
file(REMOVE_RECURSE "${WORK}/src")
file(COPY "${SOURCE}/src" DESTINATION "${WORK}")

if(NOT fetched STREQUAL wanted)
    execute_process(
        COMMAND "${NPM}" ci --ignore-scripts --no-audit --no-fund --loglevel=error
        WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        give_up("npm could not fetch the packages of the interactive page (status ${status}).")
        return()
    endif()
    file(WRITE "${WORK}/fetched.txt" "${wanted}")
endif()
execute_process(
    COMMAND "${NODE}" build.mjs static
    WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    give_up("The interactive page could not be bundled (status ${status}).")
    return()
endif()
if(PLACE)
    file(COPY "${WORK}/static/page.js" "${WORK}/static/page.css" DESTINATION "${PLACE}")
endif()
