using LlmRL.Data;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Tokenization;

namespace LlmRL.Tests.Rewards;

public class PrefixMatchTests
{
    private static readonly ByteTokenizer Bytes = new();

    [Theory]
    [InlineData("3,4", true, "1111", "whole answer and stop: adds up to 1")]
    [InlineData("3,4", false, "111", "cut before the stop token")]
    [InlineData("3,5", true, "1100", "first mismatch ends it")]
    [InlineData("4,4", true, "0000", "a later match does not count")]
    [InlineData("3,4,", true, "11100", "a stop token behind more than the answer")]
    [InlineData("3", true, "10", "stopped too early")]
    public void Leading_matches_count(string text, bool stopped, string worth, string why)
    {
        var tokens = Bytes.Encode(text);
        if (stopped)
            tokens = [.. tokens, Bytes.EosId];
        var completion = new Completion(0, 0, tokens, new float[tokens.Length], stopped ? FinishReason.Stop : FinishReason.Length);
        var rewards = new double[tokens.Length];
        ((ITokenReward)new PrefixMatchReward()).Score(new Example { Prompt = "", Answer = "3,4" }, completion, Bytes, rewards);
        Assert.True(worth.Select(c => c == '1' ? 0.25 : 0).SequenceEqual(rewards), why);
    }
}
