# What is installed beside the program, and the Debian package of it all (cpack -G DEB).
include(GNUInstallDirs)

# weir_generated(FILE ARGUMENT...): what the program prints with these arguments, as a file that is installed.
set(generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})
function(weir_generated file)
  add_custom_command(OUTPUT ${generated}/${file}
    COMMAND weir ${ARGN} > ${generated}/${file}.new && ${CMAKE_COMMAND} -E rename ${generated}/${file}.new ${generated}/${file}
    DEPENDS weir VERBATIM)
  set_property(GLOBAL APPEND PROPERTY weir_generated ${generated}/${file})
endfunction()
weir_generated(weir.1 manual)
weir_generated(weir.yaml.5 options --manual)
weir_generated(weir.schema.json options --schema)
weir_generated(weir.bash completion bash)
weir_generated(_weir completion zsh)
get_property(files GLOBAL PROPERTY weir_generated)
add_custom_target(generated ALL DEPENDS ${files})

configure_file(docker/weir.service.in ${generated}/weir.service @ONLY)

install(TARGETS weir)
install(FILES gateway/weir_module.h TYPE INCLUDE)
install(FILES ${generated}/weir.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${generated}/weir.yaml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${generated}/weir.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME weir)
install(FILES ${generated}/_weir DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${generated}/weir.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/weir)
install(FILES ${generated}/weir.service DESTINATION lib/systemd/system)
install(FILES docker/installed.yaml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/weir RENAME weir.yaml)
install(FILES README.md TYPE DOC)
install(FILES docker/copyright TYPE DOC)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME weir)
set(CPACK_PACKAGE_CONTACT "The weir project <weir@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "MCP gateway")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "One small daemon that Model Context Protocol clients reach by streaming HTTP or\n WebSocket. It terminates TLS, knows who is calling, bounds every caller, and runs\n tool, resource and prompt calls through C modules and programs.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS libwebsockets-evlib-uv) # loaded by name at run time: no linker knows of it
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/docker/conffiles ${CMAKE_SOURCE_DIR}/docker/postinst ${CMAKE_SOURCE_DIR}/docker/prerm ${CMAKE_SOURCE_DIR}/docker/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
