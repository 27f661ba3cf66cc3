from squeezebert_mobile.cli import main

main()
