using LlmRL.Tokenization;

namespace LlmRL.Tests.Tokenization;

public class PromptingTests
{
    [Fact]
    public void A_pair_is_cut_where_the_prompt_ends_and_closed_by_eos()
    {
        var tokenizer = TokenizerLoader.Load("bytes");

        var (prompt, completion) = Prompting.EncodePair(tokenizer, "Q: 1+1\nA:", " 2");

        Assert.Equal(Prompting.Encode(tokenizer, "Q: 1+1\nA:"), prompt);
        Assert.Equal([' ', '2', tokenizer.EosId], completion);
    }

    [Fact]
    public void An_empty_prompt_still_gives_the_model_a_token_to_start_from() =>
        Assert.NotEmpty(Prompting.Encode(TokenizerLoader.Load("bytes"), ""));

    [SharedFact("data/weights/babyllama105/tok105.model")]
    public void A_completion_keeps_the_space_that_sentencepiece_drops_at_the_start_of_a_text()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/weights/babyllama105/tok105.model"));
        var (prompt, completion) = Prompting.EncodePair(tokenizer, "Once upon a time.", " The dog ran.");

        Assert.Equal("The dog ran.", tokenizer.Decode(completion));
        Assert.Equal(" The dog ran.", Prompting.DecodeCompletion(tokenizer, prompt, completion.AsSpan(0, completion.Length - 1)));
    }

    [Fact]
    public void A_completion_that_continues_a_cut_letter_decodes_by_itself()
    {
        var tokenizer = TokenizerLoader.Load("bytes");
        int[] prompt = [.. tokenizer.Encode("a"), 0xC3];

        Assert.Equal("\uFFFD!", Prompting.DecodeCompletion(tokenizer, prompt, [0xA4, '!']));
    }
}
