"""The networks: label embeddings, encoders, recurrent prior and posterior, decoder, iteration."""
